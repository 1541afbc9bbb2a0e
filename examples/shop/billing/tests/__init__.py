"""Tests of billing: its interface, its routes, its rules."""
