"""What is off the golden path in a repository, why it matters, and what to do."""
