"""Where a fleet keeps what it needs while it runs: all of it may be deleted at any time."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scaffold import mirror
from scaffold.errors import ScaffoldError


def home(*parts: str) -> Path:
    """A folder of the cache."""
    return mirror.folder().joinpath("fleet", *parts)


def key(text: str) -> str:
    """A name for a file, of whatever text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:20]


@contextmanager
def alone(file: Path, busy: str) -> Iterator[None]:
    """Hold a file, which a killed run does not; refuse with `busy` where another run holds it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    held = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ScaffoldError(busy) from None
        yield
    finally:
        os.close(held)
