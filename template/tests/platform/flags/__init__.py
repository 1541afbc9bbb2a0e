"""Tests of `app.platform.flags`."""
