"""The command that brings a carved module home."""

from pathlib import Path
from typing import Annotated

import typer

from scaffold import screen
from scaffold.commands.common import AreHome, DryRun, From, Inside, Json, app


@app.command()
def uncarve(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the module.")],
    data_are_home: AreHome = False,
    source: From = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    inside: Inside = Path(),
) -> None:
    """Bring a carved module home, in one commit.

    Its data first, then all that carving has written. Where its data have moved, only its databases
    know where they are. So it says what brings them home, and writes nothing before that is done:
    ask again with --data-are-home. Where OWN_DATABASE_URL or OWN_MIGRATION_DATABASE_URL is set, it
    asks them itself (`app carve status`).

    \b
    Examples:
      scaffold uncarve billing
      scaffold uncarve billing --data-are-home --dry-run
      scaffold uncarve billing --data-are-home
    """
    from scaffold.carving.data import uncarve as do
    from scaffold.carving.data_steps import after_uncarving
    from scaffold.carving.home import AwayError
    from scaffold.carving.steps import after_undoing
    from scaffold.commands.carving import refuse, tell

    try:
        done, had_data = do(
            inside,
            name,
            are_home=data_are_home,
            source=source,
            dry_run=dry_run,
            note=screen.note,
        )
    except AwayError as error:
        refuse(error, as_json)
        raise
    steps = after_uncarving(done) if had_data else after_undoing(done)
    tell("Would bring home" if dry_run else "Brought home", done, steps, as_json)
