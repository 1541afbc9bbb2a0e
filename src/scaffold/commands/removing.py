"""The command that takes a module out."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from scaffold import screen
from scaffold.commands.common import Inside, Json, app
from scaffold.errors import ScaffoldError


@app.command()
def remove_module(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the module.")],
    drop_data: Annotated[
        bool, typer.Option("--drop-data", help="Its tables go with the next `app migrate`.")
    ] = False,
    archive: Annotated[
        bool,
        typer.Option("--archive", help="They are kept, in a schema that no module reads."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Drop data without asking.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go; write nothing.")
    ] = False,
    as_json: Json = False,
    inside: Inside = Path(),
) -> None:
    """Remove a module that nobody needs, in one commit.

    It is refused while others depend on it, and says where they do. What becomes of the data is
    written to src/app/modules/moved.toml, and done by `app migrate` in each database. Lines that
    name the module elsewhere, in docs or alerts, are listed and left to you.

    \b
    Examples:
      scaffold remove-module reviews --dry-run
      scaffold remove-module reviews --archive
      scaffold remove-module reviews --drop-data --yes
    """
    from scaffold.removing.remove import NeededError, look, remove
    from scaffold.removing.report import as_dict, as_text, refusal

    if drop_data and archive:
        raise typer.TyperException("--drop-data and --archive exclude each other: say one of them")
    data = "drop" if drop_data else "archive" if archive else None
    asks = sys.stdin.isatty() and not as_json
    if not dry_run and (data is None or (data == "drop" and not yes)) and not asks:
        raise typer.TyperException(
            "what becomes of its data? Say --archive to keep it in a schema that no module reads, "
            "or --drop-data --yes to let it go"
        )
    try:
        found = look(inside, name, screen.note, dry_run=dry_run)
        if not as_json:
            print(as_text(found), end="")
        if not dry_run:
            if asks:
                data = _ask(name, data, yes)
            remove(found, data or "archive")
    except ScaffoldError as error:
        if as_json:
            needed = error.dependents if isinstance(error, NeededError) else []
            print(json.dumps(refusal(error, needed), indent=2))
        raise
    if as_json:
        print(json.dumps(as_dict(found, data), indent=2))
    elif dry_run:
        print("Nothing was written.")
    else:
        print(f"Removed {name}, in the commit {(found.commit or '')[:10]}.")
        print("Next: make check, then deploy; app migrate sees to its data")
        print("git reset --keep HEAD~1 takes it back, before it is pushed")


def _ask(name: str, data: str | None, yes: bool) -> str:
    """Have whoever is at the terminal decide what becomes of the data."""
    if data is None:
        said = typer.prompt("Its data: archive or drop?", default="archive", err=True).strip()
        if said not in ("archive", "drop"):
            raise ScaffoldError(f"{said!a} is neither archive nor drop; nothing was written")
        data = said
    if data == "drop" and not yes:
        said = typer.prompt(f"Type {name} to drop its data for good", err=True).strip()
        if said != name:
            raise ScaffoldError(f"{said!a} is not {name}; nothing was written")
    return data
