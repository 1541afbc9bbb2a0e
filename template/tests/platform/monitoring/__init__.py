"""Tests of `app.platform.monitoring`."""
