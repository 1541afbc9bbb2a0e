"""What is counted of calls to other processes. How many there are, the boundary counts: see `metrics`."""

from prometheus_client import Counter, Gauge

REASONS = (
    "unavailable",
    "timeout",
    "open",
    "full",
    "off",
    "mismatch",
    "failed",
    "keys",
    "repeated",
    "size",
)
errors = Counter(
    "remote_errors",
    f"Calls of a module in another process that came to nothing: {', '.join(REASONS)}.",
    ("module", "method", "reason"),
)
retries = Counter("remote_retries", "Calls that were made once more.", ("module", "method"))
is_open = Gauge(
    "remote_breaker_open",
    "Whether a method is left alone, since it failed several times in a row.",
    ("module", "method"),
)
