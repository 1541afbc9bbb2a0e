"""Where the console of this repository answers, written down for `app mcp`."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

REPOSITORY = Path(__file__).parents[4]
_FILE = REPOSITORY / ".local" / "console"


@contextmanager
def announced(address: str) -> Iterator[None]:
    """Say for as long as the block runs that the console answers at an address."""
    with suppress(OSError):  # Where nothing can be written, nobody else can ask.
        _FILE.parent.mkdir(exist_ok=True)
        _FILE.write_text(address, "utf-8")
    try:
        yield
    finally:
        if announced_address() == address:
            _FILE.unlink(missing_ok=True)


def announced_address() -> str | None:
    """Return where it answers, or None where nobody has said so. Who was killed still says it."""
    try:
        return _FILE.read_text("utf-8")
    except FileNotFoundError:
        return None
