"""The command that says what carving a module would cost."""

import json
from pathlib import Path
from typing import Annotated

import typer

from scaffold import screen
from scaffold.commands.common import Inside, Json, app
from scaffold.deciding.answers import Reason


@app.command()
def carve(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the module.")],
    bill: Annotated[bool, typer.Option("--bill", help="Write the bill: all there is yet.")] = False,
    because: Annotated[
        Reason | None,
        typer.Option(
            metavar="|".join(Reason), help="Why it should be a service; see `scaffold decide`."
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|URL", help="What a process serves at /metrics; may be repeated."
        ),
    ] = None,
    as_json: Json = False,
    inside: Inside = Path(),
) -> None:
    """Say what a module would cost as a service of its own.

    This version only writes the bill, and changes nothing: which calls would lose their
    transaction, which values cannot cross a wire, what goes with the module, what operations get,
    and, with a reason, what to change first.

    \b
    Examples:
      scaffold carve billing --bill
      scaffold carve billing --bill --because scaling
      scaffold carve billing --bill --metrics http://127.0.0.1:9464/metrics --json
    """
    if not bill:
        raise typer.TyperException("this version only writes the bill of carving: say --bill")
    from scaffold.carving.bill import write
    from scaffold.carving.printed import as_text
    from scaffold.carving.report import as_dict
    from scaffold.deciding.metrics import read

    found = write(inside, name, read(metrics or []), screen.note)
    if as_json:
        print(json.dumps(as_dict(found, because), indent=2))
    else:
        print(as_text(found, because), end="")
