"""Tests of `app.platform.database`."""
