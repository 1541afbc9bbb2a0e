"""The commands: arguments in, one call, its result printed."""
