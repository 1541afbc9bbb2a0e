"""Find the answers of a repository that has lost them: which version fits, and given what."""
