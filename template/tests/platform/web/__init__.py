"""Tests of `app.platform.web`."""
