"""Tests of `app.platform.cache`."""
