"""Tests of `app.platform.migrations`."""
