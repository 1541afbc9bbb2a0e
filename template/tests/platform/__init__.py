"""Tests of `app.platform` and `app.development`: a folder for each room."""
