"""Tests of `app.platform.remote`."""
