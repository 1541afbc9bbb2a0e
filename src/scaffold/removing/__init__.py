"""Take a module out of a repository: what goes with it, who is in the way, what is left to do."""
