"""The command that finds lost answers."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from scaffold import screen
from scaffold.commands.common import From, Inside, Json, app, key_value
from scaffold.errors import ScaffoldError

_DONE = "Nothing to do: all answers are there. `scaffold doctor` says whether they are right."


@app.command()
def adopt(
    source: From = None,
    ref: Annotated[
        str | None,
        typer.Option("--ref", metavar="VERSION", help="Its version, if you know it."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", "-d", metavar="K=V", help="An answer you know; may be repeated."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what fits; write nothing.")
    ] = False,
    as_json: Json = False,
    inside: Inside = Path(),
) -> None:
    """Find out version and answers that a repository has lost.

    Releases are tried, or all commits of a template without any, and the answers that files tell.
    What fits best is shown with what differs, and recorded: answers are written, and nothing else.

    \b
    Examples:
      scaffold adopt --dry-run
      scaffold adopt --from https://github.com/acme/template.git
      scaffold adopt --from ~/src/template --ref v1.2.0 --data owner=@acme/shop --yes
    """
    from scaffold.adopting.adopt import adopt as write
    from scaffold.adopting.adopt import look
    from scaffold.adopting.report import as_dict, as_text

    asks = sys.stdin.isatty() and not (yes or dry_run or as_json)
    if not (yes or dry_run or asks):
        raise typer.TyperException("say --yes to write what fits, or --dry-run to see it first")
    known = dict(key_value(entry) for entry in data or [])
    try:
        found = look(inside, source=source, ref=ref, data=known, note=screen.note)
        if found is None:
            print(json.dumps({"written": False, "files": []}) if as_json else _DONE)
            return
        if not as_json:
            print(as_text(found), end="")
        if found.changes and (yes or (asks and typer.confirm("Record that?", err=True))):
            write(found)
    except ScaffoldError as error:
        if as_json:
            print(json.dumps({"error": str(error)}, indent=2))
        raise
    if as_json:
        print(json.dumps(as_dict(found), indent=2))
        return
    for warning in found.warnings:
        screen.warn(warning)
    if found.written:
        files = "1 file" if len(found.changes) == 1 else f"{len(found.changes)} files"
        print(f"Wrote {files} of answers. Next: git commit, scaffold update")
    else:
        print("Nothing was written.")
