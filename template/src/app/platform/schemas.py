"""The schemas that are the platform's own."""

REQUESTS = "requests"
"""Idempotency keys, and the answers that are kept under them."""
QUEUE = "queue"
"""Jobs, and when they are due."""
STATEMENTS = "platform"
"""What Postgres tells of the statements that it ran."""
