"""Tests of `app.platform.rest`."""
