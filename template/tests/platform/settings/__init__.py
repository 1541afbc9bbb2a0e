"""Tests of `app.platform.settings`."""
