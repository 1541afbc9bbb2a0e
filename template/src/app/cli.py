"""The command `app`: run, migrate and inspect this application."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
import uvicorn
from asyncpg import PostgresError
from sqlalchemy.exc import DBAPIError

from app import modules
from app.cli_catalog import show_openapi, write_catalog
from app.cli_flags import show_flags
from app.cli_jobs import jobs
from app.cli_slow import show_slow
from app.main import run_worker
from app.platform.access import create_tokens
from app.platform.autogenerate import make_migration
from app.platform.development import (
    development_server,
    development_settings,
    is_deployed,
    is_taken,
)
from app.platform.development_issuer import DevelopmentIssuer
from app.platform.discovery import discover
from app.platform.engine import login_of
from app.platform.flag_files import FlagsError
from app.platform.flag_provider import FlagFiles
from app.platform.job_records import JobsError
from app.platform.local_postgres import LocalPostgresError
from app.platform.logs import configure_logs
from app.platform.map import as_json, as_mermaid, as_text, draw_map
from app.platform.map_svg import as_svg
from app.platform.migrations import migrate, prepare
from app.platform.roles import DatabaseAheadError, MigrationError
from app.platform.serving import serve as run_server
from app.platform.settings import load_settings, Settings, SettingsError
from app.platform.slow import StatisticsError
from app.platform.statements_schema import why_unreadable
from app.platform.wiring import WiringError

cli = typer.Typer(
    help="Run, migrate and inspect this application.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(jobs, name="jobs")
cli.command("flags", epilog="Example: app flags --json")(show_flags)
cli.command("openapi", epilog="Example: app openapi --module billing")(show_openapi)
cli.command("catalog", epilog="Example: app catalog")(write_catalog)
cli.command("slow", epilog="Example: app slow --module billing --limit 3")(show_slow)
File = Annotated[str | None, typer.Option(metavar="FILE", help="Write it to FILE; - prints it.")]
_EXPECTED = (
    FlagsError,
    JobsError,
    LocalPostgresError,
    MigrationError,
    SettingsError,
    StatisticsError,
    WiringError,
)
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]


@cli.command(epilog="Example: app dev --port 8001")
def dev(port: Port = 8000) -> None:
    """Run everything on this machine: Postgres, migrations, web server and worker, with reload.

    Uses DATABASE_URL where it is set, and a Postgres of its own otherwise.
    """
    if is_deployed():
        _fail("This is an installation for production. Run `make dev` in the repository.")
    if is_taken(port):
        _fail(f"Port {port} of 127.0.0.1 is taken. Choose another: app dev --port {port + 1}")
    with development_settings() as settings:
        # The server runs in a process of its own, which reads its settings anew at each reload.
        os.environ["DATABASE_URL"] = settings.database_url
        os.environ["MIGRATION_DATABASE_URL"] = settings.admin_url
        os.environ["ENVIRONMENT"] = settings.environment
        configure_logs(settings)
        typer.echo(f"Open http://127.0.0.1:{port}/_dev (Ctrl-C stops everything).", err=True)
        typer.echo("Requests need a token: `.venv/bin/app token` prints one.", err=True)
        uvicorn.run(
            "app.main:create_development_app",
            factory=True,
            port=port,
            reload=True,
            reload_dirs=[str(Path(__file__).parent)],
            reload_includes=["modules/*", "module.toml"],  # A module's folder arrives as a whole.
            access_log=False,
            log_config=None,
            reset_contextvars=True,
        )


@cli.command(epilog="Example: DATABASE_URL=postgresql://… app serve --host 0.0.0.0 --processes 4")
def serve(
    host: str = "127.0.0.1",
    port: Port = 8000,
    processes: Annotated[
        int, typer.Option(min=1, help="How many to run; each has a pool of its own.")
    ] = 1,
) -> None:
    """Serve requests. Needs DATABASE_URL, a migrated database, OIDC_ISSUER and OIDC_AUDIENCE.

    At SIGTERM `/readyz` says 503 for SHUTDOWN_DELAY seconds; then it accepts no more requests, and
    those that run have SHUTDOWN_TIMEOUT seconds to end.
    """
    settings = load_settings()
    configure_logs(settings)
    create_tokens(settings)  # Here, where a missing issuer is one sentence.
    FlagFiles(discover(modules), settings.flags_file)  # What is wrong with them is said here, once.
    run_server(
        "app.main:create_served_app",
        host,
        port,
        processes,
        settings.shutdown_delay,
        settings.shutdown_timeout,
    )


@cli.command(epilog="Example: DATABASE_URL=postgresql://… app worker")
def worker() -> None:
    """Run jobs, beside `app serve`: start more of them for more work.

    At SIGTERM or Ctrl-C it takes no more jobs, and gives those that run WORKER_DRAIN_TIMEOUT
    seconds to end. DATABASE_URL must reach Postgres itself, or a pooler that pools sessions,
    not transactions.
    """
    asyncio.run(run_worker(load_settings()))


@cli.command("migrate", epilog="Example: MIGRATION_DATABASE_URL=postgresql://… app migrate")
def apply_migrations(
    roles: Annotated[
        bool, typer.Option("--roles", help="Stop behind schemas and roles, before pg_restore.")
    ] = False,
    unless_ahead: Annotated[
        bool, typer.Option("--unless-ahead", help="Succeed where a newer version has migrated.")
    ] = False,
) -> None:
    """Create schemas and roles, and apply the migrations of every module.

    Connects with MIGRATION_DATABASE_URL, or DATABASE_URL where that is not set. A deployment says
    --unless-ahead: the release before may come back, and runs on the newer schema.
    """
    settings = load_settings()
    if roles:
        login = login_of(settings.database_url)
        asyncio.run(prepare(settings.admin_url, login, discover(modules)))
        return
    try:
        applied = _migrate(settings)
    except DatabaseAheadError as ahead:
        if not unless_ahead:
            raise
        typer.echo(f"Warning: {ahead}", err=True)
        return
    typer.echo("\n".join(f"applied {each}" for each in applied) or "Nothing to do.")
    login = login_of(settings.database_url)
    if reason := asyncio.run(why_unreadable(settings.admin_url, login)):
        typer.echo(f"`app slow` will find nothing. {reason}", err=True)


@cli.command("make-migration", epilog='Example: app make-migration billing "add a due date"')
def write_migration(
    module: str,
    message: str,
    by_hand: Annotated[
        bool, typer.Option("--by-hand", help="Write what can be written; the rest is for you.")
    ] = False,
) -> None:
    """Write what makes of a module's migrations what its tables say.

    It is tried first, on a database of its own. The last word is with the tests, which compare both.
    """
    folders = discover(modules)
    folder = next((each for each in folders if each.name == module), None)
    if folder is None:
        _fail(f"There is no module {module}. `app modules` lists them.")
    with development_server() as url:
        written = asyncio.run(make_migration(url, folders, folder, message, by_hand=by_hand))
    for path in written.files:
        typer.echo(f"Wrote {path}. Read it before you commit it.")
    for sentence in written.left:
        typer.echo(f"Left for you: {sentence}", err=True)


@cli.command(epilog="Example: app token --subject ada --scope catalog:write")
def token(
    subject: Annotated[str, typer.Option(help="Who sends it: the id of the principal.")] = "me",
    scope: Annotated[
        list[str] | None, typer.Option(help="What it allows; give it several times for several.")
    ] = None,
) -> None:
    """Print a token for a day, which `app dev` believes: curl -H "Authorization: Bearer $(app token)"

    In production, the issuer in OIDC_ISSUER makes tokens.
    """
    if os.environ.get("ENVIRONMENT", "development") != "development":
        _fail("ENVIRONMENT is production, where only the issuer in OIDC_ISSUER makes tokens.")
    typer.echo(DevelopmentIssuer().token(subject, *(scope or [])))


@cli.command("modules", epilog="Example: app modules")
def list_modules() -> None:
    """Show what is wired to what."""
    for folder in discover(modules):
        needs = ", ".join(f"{name}: {kind.__name__}" for name, kind in folder.needs.items())
        typer.echo(f"{folder.name:20} {folder.interface.__name__}({needs})  {folder.owner}")


@cli.command("map", epilog="Example: app map --svg docs/architecture.svg")
def show_map(svg: File = None, mermaid: File = None, json: File = None) -> None:
    """Draw the modules, their interfaces and what they depend on: here, or into files."""
    mapped = draw_map(discover(modules))
    if not (svg or mermaid or json):
        typer.echo(as_text(mapped), nl=False)
    for file, draw in ((svg, as_svg), (mermaid, as_mermaid), (json, as_json)):
        if file == "-":
            typer.echo(draw(mapped), nl=False)
        elif file:
            drawn = draw(mapped)
            try:
                Path(file).write_text(drawn, "utf-8", newline="\n")
            except OSError as error:
                _fail(f"Cannot write {file}: {error.strerror}.")


def main() -> None:
    """Run the command line; expected errors become one sentence and exit code 1."""
    try:
        cli()
    except _EXPECTED as error:
        _fail(str(error))
    except (OSError, PostgresError, DBAPIError) as error:
        reason = getattr(error, "orig", None) or error
        _fail(f"The database does not answer as expected: {reason}. Is DATABASE_URL right?")


def _migrate(settings: Settings) -> list[str]:
    login = login_of(settings.database_url)
    return asyncio.run(migrate(settings.admin_url, login, discover(modules)))


def _fail(message: str) -> NoReturn:
    typer.echo(f"app: {message}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
