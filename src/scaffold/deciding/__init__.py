"""An honest answer to "microservices?", from a few questions and the facts of a repository."""
