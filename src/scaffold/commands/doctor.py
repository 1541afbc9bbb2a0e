"""The command that says what is off the golden path."""

import json
from pathlib import Path
from typing import Annotated

import typer

from scaffold import screen
from scaffold.commands.common import From, Inside, Json, app
from scaffold.errors import ScaffoldError


@app.command()
def doctor(
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="SC-0XX", help="Make this check alone; may be repeated."),
    ] = None,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Mend what can be derived; nobody's edit is touched."),
    ] = False,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Look at this database, too: the URL of the application's login."
        ),
    ] = None,
    fetch: Annotated[
        bool,
        typer.Option("--fetch", help="Ask the template's address what is new."),
    ] = False,
    source: From = None,
    as_json: Json = False,
    inside: Inside = Path(),
) -> None:
    """Say what is off the golden path, why, and what to do.

    An error is broken, or will break: then the exit code is 1. All else is advice. Nothing goes
    over the network unless --fetch or --database say so; what is known of the template's newest
    version is as old as the summary says.

    \b
    Examples:
      scaffold doctor
      scaffold doctor --fetch --json
      scaffold doctor --only SC-017 --only SC-018
      scaffold doctor --fix
      scaffold doctor --database postgresql://shop@db.example.com/shop
    """
    from scaffold.addresses import redact
    from scaffold.doctor.examining import choose, examine
    from scaffold.doctor.report import SCHEMA, as_dict, as_text

    try:
        checks = choose(only or [], database)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    try:
        done = examine(
            inside,
            checks,
            source=source,
            database=database,
            fetch=fetch,
            fix=fix,
            note=screen.note,
        )
    except ScaffoldError as error:
        if as_json:
            print(json.dumps({"schema": SCHEMA, "error": redact(str(error))}, indent=2))
        raise
    print(json.dumps(as_dict(done), indent=2) if as_json else as_text(done).rstrip("\n"))
    if done.errors:
        raise typer.Exit(1)
