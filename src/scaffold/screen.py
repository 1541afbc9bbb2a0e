"""What goes to the terminal, and how."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from scaffold import addresses

if TYPE_CHECKING:
    from scaffold.plan import Change
    from scaffold.renaming.edited import File

_COLOURS = {"+": "32", "-": "31", "@": "36"}


def prepare() -> None:
    """Print what the terminal's encoding cannot, escaped."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def complain(sentence: str, code: int = 1) -> int:
    """Say on stderr what is wrong, on one line, and return the exit code."""
    said = addresses.redact(" ".join(sentence.split()))
    print(_paint(f"scaffold: {said}", "31", sys.stderr), file=sys.stderr)
    return code


def warn(sentence: str) -> None:
    """Say on stderr what will not work later."""
    print(_paint(f"scaffold: warning: {sentence}", "33", sys.stderr), file=sys.stderr)


def note(sentence: str) -> None:
    """Say on stderr what takes long, to someone who watches."""
    if sys.stderr.isatty():
        print(f"{sentence} ...", file=sys.stderr)


def ask(name: str, about: str, default: Any, wrong: str) -> Any:
    """Put a question to the user. Enter takes the default."""
    import typer

    if wrong:
        print(_paint(wrong, "31", sys.stderr), file=sys.stderr)
    elif about:
        print(about, file=sys.stderr)
    answer = typer.prompt(name, default=str(default), err=True)
    return default if answer == str(default) else answer


def print_changes(changes: Sequence["Change"]) -> None:
    """Print which files are new, and which change."""
    for change in changes:
        print(f"  {'new    ' if change.before is None else 'changed'} {change.path}")


def print_diffs(changes: Sequence["Change | File"]) -> None:
    """Print how files change, in colours on a terminal."""
    for change in changes:
        for line in change.diff().splitlines(keepends=True):
            print(_paint(line, _COLOURS.get(line[0], ""), sys.stdout), end="")


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below heads, in columns as wide as they need to be."""
    table = [heads, *([cell or "-" for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    for number, row in enumerate(table):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(_paint(line.rstrip(), "" if number else "1", sys.stdout))


def strong(text: str) -> str:
    """Text that stands out on a terminal."""
    return _paint(text, "1", sys.stdout)


def _paint(text: str, colour: str, stream: TextIO) -> str:
    plain = not colour or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if plain or not stream.isatty():
        return text
    body = text.removesuffix("\n")
    return f"\033[{colour}m{body}\033[0m{text[len(body) :]}"
