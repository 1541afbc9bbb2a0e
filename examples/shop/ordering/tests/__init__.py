"""Tests of ordering: its interface, its routes, its rules."""
