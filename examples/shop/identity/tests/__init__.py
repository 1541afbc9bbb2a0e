"""Tests of identity: its interface, its routes, its rules."""
