"""What a module offers others, and what a change of it breaks: `python -m checks.contracts BASE`."""
