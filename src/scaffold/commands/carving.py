"""The command that says what carving a module would cost, and that carves it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scaffold import screen
from scaffold.commands.common import DryRun, From, Inside, Json, app
from scaffold.deciding.answers import Reason
from scaffold.errors import ScaffoldError

if TYPE_CHECKING:
    from scaffold.carving.carve import Carved
    from scaffold.carving.steps import Step


@app.command()
def carve(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the module.")],
    because: Annotated[
        Reason | None,
        typer.Option(
            metavar="|".join(Reason), help="Why it should be a service; see `scaffold decide`."
        ),
    ] = None,
    bill: Annotated[
        bool, typer.Option("--bill", help="Only say what it would cost; write nothing.")
    ] = False,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|URL", help="What a process serves at /metrics; may be repeated."
        ),
    ] = None,
    accept_bill: Annotated[
        bool, typer.Option("--accept-bill", help="Carve although something has to change first.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take out what carving it has written.")
    ] = False,
    source: From = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    inside: Inside = Path(),
) -> None:
    """Make a module a deployment of its own, or say what that would cost.

    The bill comes first: which calls would lose their transaction, which values cannot cross a
    wire, what goes with the module. Where it is clean, or accepted, one commit has all that the
    module needs to run alone, from the same repository and image: manifests, settings, alerts.
    Nothing calls it there before you let it, and one variable takes that back.

    \b
    Examples:
      scaffold carve billing --bill
      scaffold carve billing --bill --because scaling
      scaffold carve billing --bill --metrics http://127.0.0.1:9464/metrics --json
      scaffold carve billing --because scaling --dry-run
      scaffold carve billing --because scaling --accept-bill
      scaffold carve billing --undo
    """
    if undo:
        if bill or because or metrics or accept_bill:
            raise typer.TyperException(
                "--undo takes none of --bill, --because, --metrics, --accept-bill"
            )
        from scaffold.carving.carve import undo as take_back
        from scaffold.carving.steps import after_undoing

        done = take_back(inside, name, source=source, dry_run=dry_run, note=screen.note)
        _tell("Would take back" if dry_run else "Took back", done, after_undoing(done), as_json)
        return
    from scaffold.carving.bill import write
    from scaffold.carving.printed import as_text
    from scaffold.carving.report import as_dict

    if not bill:
        from scaffold.carving.carve import check

        others = check(inside, name)
    from scaffold.deciding.metrics import read

    found = write(inside, name, read(metrics or []), screen.note)
    if bill:
        if as_json:
            print(json.dumps(as_dict(found, because), indent=2))
        else:
            print(as_text(found, because), end="")
        return
    from scaffold.carving.carve import carve as do
    from scaffold.carving.changes import changes
    from scaffold.carving.report import verdict
    from scaffold.carving.steps import after_carving

    needed = changes(found)
    if because is None:
        raise ScaffoldError(verdict(found, because, needed))
    if needed and not accept_bill:
        raise ScaffoldError(
            f"the bill has {len(needed)} to change first: `scaffold carve {name} --bill --because "
            f"{because}` lists it; change that, or carve all the same with --accept-bill"
        )
    if others:
        screen.warn(
            f"{', '.join(others)} {'is' if len(others) == 1 else 'are'} carved already; each more "
            "costs as much, and may fail together with the others: see `scaffold decide`"
        )
    done = do(inside, name, because, source=source, dry_run=dry_run, note=screen.note)
    for path in done.left:
        screen.warn(f"{path} is not here any more; what it would have got is left out")
    _tell("Would carve" if dry_run else "Carved", done, after_carving(done), as_json)


def _tell(verb: str, done: "Carved", steps: "list[Step]", as_json: bool) -> None:
    if as_json:
        result = {
            "module": done.module,
            "services": list(done.services),
            "files": [each.path for each in done.changes],
            "gone": done.gone,
            "next": [{"do": what, "with": commands} for what, commands in steps],
            "overlays": done.overlays,
            "commit": done.commit,
            "written": done.commit is not None,
        }
        print(json.dumps(result, indent=2))
        return
    print(
        f"{verb} {done.module}" + (f", in the commit {done.commit[:10]}:" if done.commit else ":")
    )
    screen.print_changes(done.changes)
    for path in done.gone:
        print(f"  gone    {path}")
    if not done.commit:
        screen.print_diffs(done.changes)
        return
    print("Next:")
    for number, (what, commands) in enumerate(steps, 1):
        print(f"  {number}. {what}")
        for command in commands:
            print(f"       {command}")
    print("git reset --keep HEAD~1 takes it back, before it is pushed")
