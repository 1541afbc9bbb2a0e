"""Tests of `app.platform.carving`."""
