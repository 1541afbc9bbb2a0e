"""Another module, beside catalog."""

from typing import Protocol


class Ordering(Protocol):
    """Has tables, and nothing to say."""
