"""The commands: arguments in, one call, its result printed."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from scaffold import screen
from scaffold.errors import ScaffoldError, of_disk

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Inside = Annotated[Path, typer.Option("-C", metavar="DIR", help="A folder inside the repository.")]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TEMPLATE",
        envvar="SCAFFOLD_TEMPLATE",
        help="Path or URL to read the template from.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


_INTERRUPTED = 130  # what typer makes of Ctrl-C, and shells expect


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from scaffold.installation import DISTRIBUTION

        print(f"scaffold {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def scaffold(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version."),
    ] = False,
) -> None:
    """Generate a modular monolith, and add modules to it.

    \b
    Examples:
      scaffold new shop
      cd shop && scaffold add-module billing --depends-on ordering
      scaffold update --dry-run
      scaffold modules
    """


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
    """Generate a repository into DIR, with git and a first commit.

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
        dict(_key_value(entry) for entry in data or []),
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
    plural: Annotated[
        str | None,
        typer.Option(metavar="ES", help="Several of them: analyses. Default: by English grammar."),
    ] = None,
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the files and the diff; write nothing.")
    ] = False,
    as_json: Json = False,
    inside: Inside = Path(),
) -> None:
    """Add a module: one new folder, and its line in CODEOWNERS.

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
    plural: Annotated[
        str | None,
        typer.Option(metavar="ES", help="Several of them: analyses. Default: by English grammar."),
    ] = None,
    source: From = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the files and the diff; write nothing.")
    ] = False,
    as_json: Json = False,
    inside: Inside = Path(),
) -> None:
    """Add an entity to a module: values, table, migration, routes, tests.

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


@app.command()
def modules(as_json: Json = False, inside: Inside = Path()) -> None:
    """List the modules: name, owner, dependencies, entity, template version.

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
    """Merge what the template has changed: app and modules, in one commit.

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
    """Print which template the repository follows, or record where it is now.

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


def main() -> NoReturn:
    """Run a command. Exit with 0: done, 1: refused or failed, 2: wrong usage, 130: Ctrl-C."""
    sys.exit(_run())


def _run() -> int:
    screen.prepare()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
        if code == _INTERRUPTED:
            return screen.complain("interrupted; nothing was written", _INTERRUPTED)
        return code if isinstance(code, int) else 0
    except ScaffoldError as error:
        code = screen.complain(str(error))
        print(error.lines, end="", file=sys.stderr)
        return code
    except (typer.Abort, KeyboardInterrupt):
        return screen.complain("interrupted; nothing was written", _INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe went away: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return screen.complain(of_disk(error))
    except typer.TyperException as error:
        said = getattr(error, "format_message", error.__str__)().rstrip(".")
        context = getattr(error, "ctx", None)
        asked = context.command_path if context else "scaffold"
        return screen.complain(f"{said}; `{asked} --help` shows what it takes", 2)
    except Exception as error:
        if os.environ.get("SCAFFOLD_DEBUG"):
            raise
        kind = type(error).__name__
        return screen.complain(
            f"{kind}: {error}; this is a defect, SCAFFOLD_DEBUG=1 shows where, please report it"
        )


def _key_value(entry: str) -> tuple[str, str]:
    key, equals, value = entry.partition("=")
    if not equals:
        raise typer.BadParameter(f"--data {entry!a} is not K=V")
    return key, value
