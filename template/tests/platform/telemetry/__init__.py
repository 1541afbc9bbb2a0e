"""Tests of `app.platform.telemetry`."""
