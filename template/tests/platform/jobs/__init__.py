"""Tests of `app.platform.jobs`."""
