"""The command that says what carving a module would cost, and that carves it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scaffold import screen
from scaffold.commands.common import AreHome, DryRun, From, Inside, Json, app
from scaffold.deciding.answers import Reason
from scaffold.errors import ScaffoldError

if TYPE_CHECKING:
    from scaffold.carving.home import AwayError
    from scaffold.carving.steps import Step
    from scaffold.carving.work import Carved


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
    data: Annotated[
        bool,
        typer.Option("--data", help="Give a service a database of its own; no data move yet."),
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take out what carving it has written.")
    ] = False,
    data_are_home: AreHome = False,
    source: From = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    inside: Inside = Path(),
) -> None:
    """Make a module a service, or say what that would cost.

    The bill comes first: which calls would lose their transaction, which values cannot cross a
    wire, what goes with the module. Where it is clean, or accepted, one commit has all that the
    module needs to run alone, from the same repository and image: manifests, settings, alerts.
    Nothing calls it there before you let it, and one variable takes that back. Carve it again once
    it depends on other modules.

    With --data, a service gets a database of its own. Then `app carve` moves its data there, while
    it works. `scaffold uncarve` brings all of it home.

    \b
    Examples:
      scaffold carve billing --bill
      scaffold carve billing --bill --because scaling
      scaffold carve billing --bill --metrics http://127.0.0.1:9464/metrics --json
      scaffold carve billing --because scaling --dry-run
      scaffold carve billing --because scaling --accept-bill
      scaffold carve billing --data --dry-run
    """
    if (undo or data) and (bill or because or metrics or accept_bill):
        raise typer.TyperException(
            f"{'--undo' if undo else '--data'} takes none of --bill, --because, --metrics, "
            "--accept-bill"
        )
    if data_are_home and not (undo and data):
        raise typer.TyperException("--data-are-home belongs to --data --undo, and to uncarve")
    if data:
        _carve_data(inside, name, undo, data_are_home, source, dry_run, as_json)
        return
    if undo:
        from scaffold.carving.carve import undo as take_back
        from scaffold.carving.steps import after_undoing

        done = take_back(inside, name, source=source, dry_run=dry_run, note=screen.note)
        tell("Would take back" if dry_run else "Took back", done, after_undoing(done), as_json)
        return
    from scaffold.carving.bill import write
    from scaffold.carving.printed import as_text
    from scaffold.carving.report import as_dict

    if not bill:
        from scaffold.carving.carve import calls_others, carve_again, check
        from scaffold.carving.steps import after_carving_again

        if calls_others(inside, name):
            done = carve_again(inside, name, source=source, dry_run=dry_run, note=screen.note)
            verb = "Would carve again" if dry_run else "Carved again"
            tell(verb, done, after_carving_again(done), as_json)
            return
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
    _warn_of_deleted(done)
    tell("Would carve" if dry_run else "Carved", done, after_carving(done), as_json)


def _carve_data(
    inside: Path,
    name: str,
    undo: bool,
    are_home: bool,
    source: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    from scaffold.carving.data import carve_data, undo_data
    from scaffold.carving.data_steps import after_data, after_data_undone
    from scaffold.carving.home import AwayError

    if not undo:
        done = carve_data(inside, name, source=source, dry_run=dry_run, note=screen.note)
        _warn_of_deleted(done)
        verb = "Would give a database to" if dry_run else "Gave a database to"
        tell(verb, done, after_data(done), as_json)
        return
    try:
        done = undo_data(
            inside, name, are_home=are_home, source=source, dry_run=dry_run, note=screen.note
        )
    except AwayError as error:
        refuse(error, as_json)
        raise
    verb = "Would take back the database of" if dry_run else "Took back the database of"
    tell(verb, done, after_data_undone(done), as_json)


def _warn_of_deleted(done: "Carved") -> None:
    for path in done.left:
        screen.warn(f"{path} is not here any more; what it would have got is left out")


def refuse(error: "AwayError", as_json: bool) -> None:
    """Print what is left to do first, for scripts; people read it with the refusal."""
    if as_json:
        result = {"error": str(error), "next": _listed(error.steps), "written": False}
        print(json.dumps(result, indent=2))


def _listed(steps: "list[Step]") -> list[dict[str, object]]:
    return [{"do": what, "with": commands} for what, commands in steps]


def tell(verb: str, done: "Carved", steps: "list[Step]", as_json: bool) -> None:
    """Print what was done, and what is left to do."""
    if as_json:
        result = {
            "module": done.module,
            "services": list(done.services),
            "files": [each.path for each in done.changes],
            "gone": done.gone,
            "next": _listed(steps),
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
