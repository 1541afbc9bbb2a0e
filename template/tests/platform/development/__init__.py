"""Tests of `app.development`."""
