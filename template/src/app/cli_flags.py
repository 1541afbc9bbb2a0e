"""`app flags`: which flags there are, and what they are set to."""

import json
from datetime import date
from pathlib import Path
from typing import Annotated, TYPE_CHECKING

import typer

from app import modules

if TYPE_CHECKING:
    from app.platform.flags import Flag


def show_flags(
    overrides: Annotated[
        Path | None,
        typer.Option(envvar="FLAGS_FILE", help="The file that overrides those of the modules."),
    ] = None,
    expired: Annotated[
        bool, typer.Option("--expired", help="Only those, and exit with 1 if there are any.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the flags of every module.

    On, off or targeted, who owns them, when they expire.
    """
    from app.platform.flags import FlagFiles
    from app.platform.wiring import discover

    today = date.today()
    flags = FlagFiles(discover(modules), overrides).flags.values()
    shown = [each for each in sorted(flags, key=_by_key) if not expired or each.expires < today]
    if as_json:
        typer.echo(json.dumps([_described(each, today) for each in shown], indent=2))
    else:
        for each in shown:
            ends = f"expire{'d' if each.expires < today else 's'} {each.expires}"
            typer.echo(f"{each.key:40} {each.state:10} {ends:20} {each.owner}")
        if not shown:
            typer.echo("No flag has expired." if expired else "No module has a flag.")
    raise typer.Exit(bool(expired and shown))


def _by_key(flag: "Flag") -> str:
    return flag.key


def _described(flag: "Flag", today: date) -> dict[str, object]:
    return {
        "key": flag.key,
        "state": flag.state,
        "owner": flag.owner,
        "expires": flag.expires.isoformat(),
        "expired": flag.expires < today,
        "description": flag.description,
    }
