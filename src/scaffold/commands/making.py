"""Commands that make something: a repository, a module, an entity."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from scaffold import screen
from scaffold.commands.common import DryRun, From, Inside, Json, app, key_value

Plural = Annotated[
    str | None,
    typer.Option(metavar="ES", help="Several of them: analyses. Default: by English grammar."),
]


@app.command()
def new(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    data: Annotated[
        list[str] | None,
        typer.Option("--data", "-d", metavar="K=V", help="Answer a question; may be repeated."),
    ] = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Ask nothing: take the defaults for the rest.")
    ] = False,
    source: From = None,
    ref: Annotated[
        str | None,
        typer.Option("--ref", metavar="VERSION", help="Tag, branch or commit of the template."),
    ] = None,
    example: Annotated[
        bool,
        typer.Option("--example", help="Put in the modules of a worked example, to learn from."),
    ] = False,
    with_git: Annotated[
        bool | None,
        typer.Option(
            "--git/--no-git",
            help="Make a git repository, with a first commit. Default: yes, unless DIR is in one.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Generate a repository, with git and a first commit.

    DIR is new, empty, or the clone of an empty repository. The template is the one scaffold came
    with, unless --from names another; what is recorded is the address that others know it by.

    \b
    Examples:
      scaffold new shop
      scaffold new shop --example --defaults
      scaffold new shop --defaults --data owner=@acme/shop --data 'modules=[catalog, billing]'
      scaffold new shop --from https://github.com/acme/template.git --ref v1.2.0
      git clone git@github.com:acme/shop.git && cd shop && scaffold new .
    """
    from scaffold.new import new as make

    made = make(
        directory,
        dict(key_value(entry) for entry in data or []),
        source=source,
        version=ref,
        defaults=defaults,
        example=example,
        commit=with_git,
        note=screen.note,
    )
    for warning in made.warnings:
        screen.warn(warning)
    how = f"{made.files} files, {'committed' if made.committed else 'not in git yet'}"
    print(f"Made {made.folder} from {made.template.source} {made.template.version} ({how}). Next:")
    if made.folder != Path.cwd():
        print(f"  cd {shlex.quote(str(directory))}")
    print("  make dev")
    print(f"  scaffold add-module {'reviews --depends-on catalog' if example else 'billing'}")


@app.command()
def add_module(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as billing or line_items.")],
    entity: Annotated[
        str | None,
        typer.Option(metavar="E", help="What it keeps, in the singular: invoice. Default: item."),
    ] = None,
    plural: Plural = None,
    fields: Annotated[
        str | None, typer.Option(metavar="F:TYPE ...", help="What is known of each entity.")
    ] = None,
    bare: Annotated[bool, typer.Option("--bare", help="Wired in, and nothing in it yet.")] = False,
    depends_on: Annotated[
        str, typer.Option(metavar="A,B", help="Modules whose interfaces it gets.")
    ] = "",
    owner: Annotated[
        str | None,
        typer.Option(metavar="@ORG/TEAM", help="Default: the owner of the repository."),
    ] = None,
    source: From = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    inside: Inside = Path(),
) -> None:
    """Add a module: one folder, and its line in CODEOWNERS.

    It is rendered at the version that the repository records, read from what scaffold came with if
    that is the same, or else from the recorded address; --from names a copy, and is not recorded.

    Fields are text, int, bigint, bool, uuid, date, datetime, money, decimal(8,2) and
    enum(open,done), with `?` behind the type of what may be missing.

    \b
    Examples:
      scaffold add-module billing
      scaffold add-module billing --entity invoice --depends-on ordering --owner @acme/payments
      scaffold add-module appointments --entity appointment \\
        --fields "patient_id:uuid starts_at:datetime note:text? fee:money status:enum(open,done)"
      scaffold add-module lab --entity analysis --plural analyses
      scaffold add-module reminders --bare --depends-on appointments
      scaffold add-module billing --dry-run
      scaffold add-module billing --from ~/src/template
    """
    from scaffold.add_module import add_module as add

    wanted = [part.strip() for part in depends_on.split(",") if part.strip()]
    added = add(
        inside,
        name,
        entity=entity,
        plural=plural,
        fields_of=fields,
        bare=bare,
        depends_on=wanted,
        owner=owner,
        source=source,
        dry_run=dry_run,
        note=screen.note,
    )
    changed = [change for change in added.changes if change.before != change.after]
    if as_json:
        result = {
            "module": name,
            "folder": added.folder,
            "owner": added.owner,
            "files": [change.path for change in changed],
            "wired": added.wired,
            "template": {"source": added.template.source, "version": added.template.version},
            "written": not dry_run,
        }
        print(json.dumps(result, indent=2))
        return
    print(f"{'Would add' if dry_run else 'Added'} {name}, template {added.template.version}:")
    screen.print_changes(changed)
    print(f"Wired: {added.wired}")
    if dry_run:
        screen.print_diffs(changed)
    else:
        first = f"scaffold add-entity {name} NAME --fields ..., or " if bare else "make test, then "
        print(f"Next: {first}edit {added.folder}/__init__.py and service.py")


@app.command()
def add_entity(
    module: Annotated[str, typer.Argument(metavar="MODULE", help="That keeps it.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="In the singular: invoice.")],
    fields: Annotated[
        str | None,
        typer.Option(metavar="F:TYPE ...", help="What is known of each. Default: name:text."),
    ] = None,
    plural: Plural = None,
    source: From = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    inside: Inside = Path(),
) -> None:
    """Add an entity to a module: table, migration, routes, tests.

    It gets files of its own, and lines in those that are there, where these are of the form that
    modules have; else nothing is written, and the lines to add are printed.

    Fields are text, int, bigint, bool, uuid, date, datetime, money, decimal(8,2) and
    enum(open,done), with `?` behind the type of what may be missing.

    \b
    Examples:
      scaffold add-entity appointments slot --fields "starts_at:datetime taken:bool"
      scaffold add-entity lab analysis --plural analyses --fields "taken_on:date result:text?"
      scaffold add-entity billing invoice --dry-run
    """
    from scaffold.add_entity import add_entity as add

    added = add(
        inside,
        module,
        name,
        fields_of=fields,
        plural=plural,
        source=source,
        dry_run=dry_run,
        note=screen.note,
    )
    if as_json:
        result = {
            "module": module,
            "entity": name,
            "files": [change.path for change in added.changes],
            "template": {"source": added.template.source, "version": added.template.version},
            "written": not dry_run,
        }
        print(json.dumps(result, indent=2))
        return
    said = "Would add" if dry_run else "Added"
    print(f"{said} {name} to {module}, template {added.template.version}:")
    screen.print_changes(added.changes)
    if dry_run:
        screen.print_diffs(added.changes)
    else:
        print(
            f"Next: read the migration, then make test, and edit {added.folder}/{name}_service.py"
        )
