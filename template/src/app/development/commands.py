"""The commands of `app` that only developers have."""

import asyncio
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from app import modules
from app.cli_errors import fail
from app.development.database_commands import database

commands = typer.Typer()
commands.add_typer(database, name="db")
File = Annotated[str | None, typer.Option(metavar="FILE", help="Write it to FILE; - prints it.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]

_PATIENT = (
    "DATABASE_STATEMENT_TIMEOUT",
    "REQUEST_TIMEOUT",
    "SHUTDOWN_TIMEOUT",
    "WORKER_LOST_AFTER",
)
"""Settings that would end what somebody looks at step by step."""


@commands.command(epilog="Example: app dev --port 8001")
def dev(
    port: Port = 8000,
    debug: Annotated[
        bool, typer.Option("--debug", help="In one process without reload, with an hour for all.")
    ] = False,
    remote: Annotated[
        str, typer.Option(metavar="MODULES", help="Run these each in a process of its own.")
    ] = "",
) -> None:
    """Run everything on this machine, with reload.

    Postgres, migrations, web server and worker. Uses DATABASE_URL where it is set, and a Postgres
    of its own otherwise. A migration that is not committed waits until `app migrate` applies it.
    With --remote "billing identity", others call these over HTTP. Each serves its own routes, on
    the next free port; it says which.
    """
    import uvicorn

    from app.development.beside import beside, check_names
    from app.development.console.address import announced, announced_address
    from app.development.database import development_settings
    from app.development.ports import listen
    from app.development.reloading import Reload
    from app.platform.telemetry import configure_logs

    listening = listen(port)  # From here on: of two that begin at once, one gets it.
    if listening is None:
        runs = announced_address() == f"http://127.0.0.1:{port}"
        by = " by an `app dev` of this repository" if runs else ""
        fail(
            f"Port {port} of 127.0.0.1 is taken{by}. Choose another: `make dev port={port + 1}`, or "
            f"`app dev --port {port + 1}`."
        )
    check_names(apart := remote.split())
    for name in _PATIENT if debug else ():
        os.environ.setdefault(name, "3600")
    with development_settings() as settings:
        # The server runs in a process of its own, which reads its settings anew at each reload.
        os.environ["DATABASE_URL"] = settings.database_url
        os.environ["MIGRATION_DATABASE_URL"] = settings.admin_url
        os.environ["ENVIRONMENT"] = settings.environment
        configure_logs(settings)
        config = uvicorn.Config(
            "app.development.application:DevelopmentApplication",
            factory=True,
            port=port,
            reload=not debug,
            reload_delay=0.05,
            reload_dirs=[str(Path(__file__).parents[1])],
            reload_includes=["modules/*", "module.toml"],  # A module's folder arrives as a whole.
            access_log=False,
            log_config=None,
            reset_contextvars=True,
        )
        is_beside = "MODULES" in os.environ  # What agents want to know, the first process knows.
        told = nullcontext() if is_beside else announced(f"http://127.0.0.1:{port}")
        with told, beside(apart, port):
            typer.echo(f"Open http://127.0.0.1:{port}/_dev (Ctrl-C stops everything).", err=True)
            typer.echo("Requests need a token: `.venv/bin/app token` prints one.", err=True)
            if debug:
                uvicorn.Server(config).run([listening])
            else:
                Reload(config, listening).run()


@commands.command("make-migration", epilog='Example: app make-migration billing "add a due date"')
def write_migration(
    module: str,
    message: str,
    by_hand: Annotated[
        bool, typer.Option("--by-hand", help="Write what can be written; the rest is for you.")
    ] = False,
) -> None:
    """Write the migration that tables.py asks for.

    It is tried first, on a database of its own. The last word is with the tests, which compare both.
    """
    from app.development.autogenerate import make_migration
    from app.development.database import development_server
    from app.platform.wiring import discover

    folders = discover(modules)
    folder = next((each for each in folders if each.name == module), None)
    if folder is None:
        fail(f"There is no module {module}. `app modules` lists them.")
    with development_server() as url:
        written = asyncio.run(make_migration(url, folders, folder, message, by_hand=by_hand))
    for path in written.files:
        typer.echo(f"Wrote {path}. Read it before you commit it.")
    for sentence in written.doubts:
        typer.echo(f"Warning: {sentence}", err=True)
    for sentence in written.left:
        typer.echo(f"Left for you: {sentence}", err=True)


def undo_migration(module: str | None) -> None:
    """Run `app migrate --undo`."""
    from app.development.database import own_database
    from app.development.undo import undo
    from app.platform.wiring import discover

    folders = discover(modules)
    with own_database() as settings:
        login = settings.roles
        folder, file = asyncio.run(undo(settings.admin_url, login, folders, module))
    shown = os.path.relpath(file)
    typer.echo(
        f"Undid {file.stem} of {folder.name}. Change {shown} and run `app migrate`, or delete it and "
        "what tables.py says of it."
    )


@commands.command(epilog="Example: app token --subject ada --scope catalog:write")
def token(
    subject: Annotated[str, typer.Option(help="Who sends it: the id of the principal.")] = "me",
    scope: Annotated[
        list[str] | None, typer.Option(help="What it allows; give it several times for several.")
    ] = None,
) -> None:
    """Print a token for a day, which `app dev` believes.

    curl -H "Authorization: Bearer $(app token)" http://127.0.0.1:8000/…

    In production, the issuer in OIDC_ISSUER makes tokens.
    """
    from app.development.issuer import DevelopmentIssuer

    if os.environ.get("ENVIRONMENT", "development") != "development":
        fail("ENVIRONMENT is production, where only the issuer in OIDC_ISSUER makes tokens.")
    typer.echo(DevelopmentIssuer().token(subject, *(scope or [])))


@commands.command(epilog="Agents find it in .mcp.json.")
def mcp() -> None:
    """Tell agents what the console knows, over MCP.

    On standard input and output, of `make dev`. By the Model Context Protocol: the last error, a
    trace, slow SQL, the map, the queue, and one query that only reads, under the role of a module.
    """
    if os.environ.get("ENVIRONMENT", "development") != "development":
        fail("ENVIRONMENT is production: this is for development only, so unset it.")
    try:
        from app.development.mcp_server import create_server
    except ModuleNotFoundError as error:
        if error.name != "mcp":
            raise
        fail("The package mcp is not installed. `uv sync` installs the group dev, with it.")
    create_server().run()


@commands.command(epilog="Example: app shell")
def shell() -> None:
    """Open a Python prompt in the wired application.

    `await catalog.list_items(None, 10)`
    """
    from app.development.database import development_settings
    from app.development.shell import run_shell

    with development_settings() as settings:
        run_shell(settings)


@commands.command("map", epilog="Example: app map --svg docs/architecture.svg")
def show_map(svg: File = None, mermaid: File = None, json: File = None) -> None:
    """Draw the modules and what they depend on.

    With their interfaces: here, or into files.
    """
    from app.development.map import as_json, as_mermaid, as_text, draw_map
    from app.development.map_svg import as_svg
    from app.platform.wiring import discover

    mapped = draw_map(discover(modules))
    if not (svg or mermaid or json):
        typer.echo(as_text(mapped), nl=False)
    for file, draw in ((svg, as_svg), (mermaid, as_mermaid), (json, as_json)):
        if file == "-":
            typer.echo(draw(mapped), nl=False)
        elif file:
            _write(Path(file), draw(mapped))


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, "utf-8", newline="\n")
    except OSError as error:
        fail(f"Cannot write {path}: {error.strerror}.")
