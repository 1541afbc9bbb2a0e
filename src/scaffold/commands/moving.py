"""The command that gives a module another name."""

import json
from pathlib import Path
from typing import Annotated

import typer

from scaffold import screen
from scaffold.commands.common import DryRun, From, Inside, Json, app
from scaffold.errors import ScaffoldError


@app.command()
def rename_module(
    old: Annotated[str | None, typer.Argument(metavar="OLD", help="The name that it has.")] = None,
    new: Annotated[str | None, typer.Argument(metavar="NEW", help="The name to give it.")] = None,
    finish: Annotated[
        str | None,
        typer.Option(
            "--finish",
            metavar="OLD",
            help="Let databases forget that old name: no release that knows it runs any more.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Go on where the release before would fail meanwhile."),
    ] = False,
    source: From = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    inside: Inside = Path(),
) -> None:
    """Rename a module, and all that refers to it, in one commit.

    Its package, schema, roles, jobs and flags follow, as do its interface and what is called after
    it, in all files of the repository. Words that are no reference stay, and so do entities,
    tables, scopes of tokens and what the template wrote: lines that look like references are
    listed. Its addresses begin with its name: what changes for clients is listed as well.

    It is committed, as git follows files that are renamed and hardly changed; `git reset --keep
    HEAD~1` takes it back. What databases have to do is written to src/app/modules/moved.toml, and
    done by `app migrate` while the release before still runs. Once that has stopped, --finish.

    \b
    Examples:
      scaffold rename-module billing invoicing --dry-run
      scaffold rename-module billing invoicing
      scaffold rename-module --finish billing
    """
    from scaffold.renaming import rename, report

    if (finish is None) == (old is None) or (finish is None) != (new is not None):
        raise typer.TyperException("say OLD and NEW, or --finish OLD")
    try:
        if finish is not None:
            done = rename.finish(inside, finish, dry_run=dry_run)
        else:
            done = rename.rename(
                inside,
                old or "",
                new or "",
                source=source,
                force=force,
                dry_run=dry_run,
                note=screen.note,
            )
    except ScaffoldError as error:
        if as_json:
            print(json.dumps({"error": str(error), "lines": error.lines.splitlines()}, indent=2))
        raise
    for warning in done.warnings:
        screen.warn(warning)
    if as_json:
        print(json.dumps(report.as_dict(done), indent=2))
        return
    print(report.as_text(done, is_finish=finish is not None), end="")
    if dry_run:
        screen.print_diffs(done.files)
