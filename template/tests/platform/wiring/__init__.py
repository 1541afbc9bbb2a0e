"""Tests of `app.platform.wiring`."""
