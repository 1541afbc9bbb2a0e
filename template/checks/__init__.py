"""The walls between modules that need nothing running: `python -m checks`."""
