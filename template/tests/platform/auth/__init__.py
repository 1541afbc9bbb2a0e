"""Tests of `app.platform.auth`."""
