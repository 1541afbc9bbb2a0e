"""Commands that look at a repository, and bring it along with its template."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from scaffold import screen
from scaffold.commands.common import From, Inside, Json, app
from scaffold.errors import ScaffoldError


@app.command()
def modules(as_json: Json = False, inside: Inside = Path()) -> None:
    """List the modules: owner, dependencies, entity, version.

    \b
    Examples:
      scaffold modules
      scaffold modules --json -C ~/src/shop
    """
    from dataclasses import asdict

    from scaffold.repository import find_root, read_modules

    found = read_modules(find_root(inside))
    if as_json:
        print(json.dumps([asdict(module) for module in found], indent=2))
        return
    rows = [(m.name, m.owner, ", ".join(m.depends_on), m.entity, m.version) for m in found]
    screen.print_table(("module", "owner", "depends on", "entity", "template"), rows)


@app.command()
def update(
    to: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Tag, branch or commit. Default: the newest release."),
    ] = None,
    branch: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Commit to a new branch, and leave the checkout alone."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come; write nothing.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="For pipelines: exit with 1 where an update is due.")
    ] = False,
    source: From = None,
    as_json: Json = False,
    inside: Inside = Path(),
) -> None:
    """Merge what the template has changed, in one commit.

    Files that cannot be merged are left as git leaves a conflict, and the exit code is 1: resolve
    them and commit, or take everything back with `git cherry-pick --abort`. Code of yours that uses
    what the template has moved is rewritten in the same commit; what is left to you is listed.

    \b
    Examples:
      scaffold update --dry-run
      scaffold update
      scaffold update --to v1.4.0 --branch template-v1.4.0
      scaffold update --check
    """
    from scaffold.update import update as run
    from scaffold.update_report import as_dict, as_text

    try:
        done = run(
            inside,
            to=to,
            source=source,
            branch=branch,
            dry_run=dry_run or check,
            note=screen.note,
            ask=screen.ask if sys.stdin.isatty() and not (dry_run or check or as_json) else None,
        )
    except ScaffoldError as error:
        if as_json:
            print(json.dumps({"error": str(error)}, indent=2))
        raise
    if as_json:
        print(json.dumps(as_dict(done), indent=2))
    else:
        print(as_text(done, "check" if check else "dry-run" if dry_run else ""), end="")
    if done.conflicts or (check and not done.is_current):
        raise typer.Exit(1)


@app.command()
def template(
    address: Annotated[
        str | None, typer.Argument(metavar="[URL]", help="Where it is now: a URL, or a path.")
    ] = None,
    inside: Inside = Path(),
) -> None:
    """Print or record which template the repository follows.

    The version stays the same, and must be there. Modules are changed with the repository.

    \b
    Examples:
      scaffold template
      scaffold template https://github.com/acme/template.git
    """
    from scaffold.template import follow, followed

    if address is None:
        found = followed(inside)
        print(f"{found.source} {found.version}")
        return
    changed, warnings = follow(inside, address, note=screen.note)
    for file in changed:
        print(f"  changed {file}")
    if changed:
        print("Next: git commit")
    for warning in warnings:
        screen.warn(warning)
