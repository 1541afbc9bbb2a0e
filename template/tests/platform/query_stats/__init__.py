"""Tests of `app.platform.query_stats`."""
