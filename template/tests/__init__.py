"""Tests of the application as a whole; a module's own tests stand in its folder."""
