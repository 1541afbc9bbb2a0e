"""Gates: which of two databases takes the writes of a module whose data move. Each says it of itself.

A module's data are in the main database, that of DATABASE_URL, or in one of its own, that of
OWN_DATABASE_URL. Each has a row for the module in `carving.gates`. Whoever moves the data opens one side
only once the other is closed, for good: no row may be written on a closed side, triggers on each table
refuse it. Where there is no row, the main database is open, and another one closed.
"""

from enum import StrEnum
from zlib import crc32

SCHEMA = "carving"
CHANNEL = "carving"
"""What is notified, with the name of the module, when a gate changes."""
FENCED = "SCV01"
"""The SQLSTATE of a write on a side that is closed."""
READ_GATE = f"SELECT state, is_own FROM {SCHEMA}.gates WHERE module = $1"
HAS_GATES = f"SELECT to_regclass('{SCHEMA}.gates') IS NOT NULL"


class Gate(StrEnum):
    """Whether a database takes the writes of a module."""

    OPEN = "open"
    CLOSING = "closing"
    """It does, until each process has ended what it had begun; nothing new begins."""
    CLOSED = "closed"
    AWAY = "away"
    """It has no tables of the module any more: migrations leave it out."""


def lock_of(module: str) -> tuple[int, int]:
    """Return the advisory lock of a module. Each process that may write to a side holds it there, shared,
    as long as it may; whoever closes the side takes it alone."""
    return _signed(SCHEMA), _signed(module)


def _signed(text: str) -> int:
    return crc32(text.encode()) - 2**31
