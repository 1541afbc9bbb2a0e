"""Generate a modular monolith, and add modules to it."""
