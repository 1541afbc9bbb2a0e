"""What the commands `app carve` print: how far a copy is, how things stand, what was compared."""

import json
import sys
from dataclasses import asdict
from typing import Any, TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from app.platform.carving import Compared, Cut, TableCopy


class Progress:
    """Says how far a copy is: on a terminal again and again, elsewhere each table once."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._is_terminal = sys.stderr.isatty()

    def tell(self, tables: "list[TableCopy]") -> None:
        """Say what is new."""
        for each in tables:
            if each.is_done and each.name not in self._told:
                self._told.add(each.name)
                say(f"{each.name} is copied.")
        going = [each for each in tables if not each.is_done]
        if self._is_terminal and going:
            said = ", ".join(
                f"{each.name} {each.rows:,} of {each.estimate:,}" for each in going[:3]
            )
            typer.echo(f"\r\x1b[2K{said}", nl=False, err=True)


def say(text: str) -> None:
    """Tell somebody who waits what is done now."""
    start = "\r\x1b[2K" if sys.stderr.isatty() else ""
    typer.echo(f"{start}{text}", err=True)


def print_report(found: dict[str, Any]) -> None:
    """Print how things stand with a module."""
    typer.echo(
        f"{found['module']}: {found['state']}, open: {found['open'] or 'neither, or unknown'}"
    )
    stream = found["stream"]
    if stream:
        done = sum(each["state"] == "r" for each in stream["tables"])
        typer.echo(
            f"  stream from {stream['from']} to {stream['to']}: {done} of {len(stream['tables'])} tables, "
            f"{stream['behind_bytes'] or 0:,} bytes behind, {stream['kept_bytes'] or 0:,} kept"
            + (f", failed {stream['failed']} times so far" if stream["failed"] else "")
        )
    if found["proof"]:
        equal = "equal" if found["proof"]["is_equal"] else "NOT equal"
        typer.echo(f"  both sides were {equal} at {found['proof']['taken']}")
    for each in found["wrong"]:
        typer.echo(f"  wrong: {each}")
    typer.echo(f"  next: {found['next']}")


def print_compared(found: "list[Compared]") -> None:
    """Print each table of both sides, those first that differ."""
    for each in found:
        rows = "no table" if each.rows is None else f"{each.rows:,} rows"
        typer.echo(f"{each.table:40} {rows:>20}  {'equal' if each.is_equal else 'NOT equal'}")


def minutes(seconds: int) -> str:
    """Return a time as people say it."""
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} minutes"


def print_json(value: Any) -> None:
    """Print what scripts read."""
    typer.echo(json.dumps(value, indent=2, default=str))


def print_cut(done: "Cut", *, json: bool) -> None:
    """Print what a cut did, and what was compared behind it."""
    if not json:
        print_compared(done.compared)
        return
    print_json(
        {
            "module": done.module,
            "seconds": round(done.took, 3),
            "sequences": done.sequences,
            "keys": done.keys,
            "is_equal": all(each.is_equal for each in done.compared),
            "tables": [asdict(each) for each in done.compared],
        }
    )
