"""Tests of catalog: its interface, its routes, its rules."""
