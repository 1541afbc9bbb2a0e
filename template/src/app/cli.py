"""The command `app`: run, migrate and inspect this application.

Each command imports what it runs when it is called, so that `--help` takes no time.
"""

import asyncio
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from app import modules
from app.cli_carve import carve, migrate_own
from app.cli_development import add_commands
from app.cli_flags import show_flags
from app.cli_jobs import jobs
from app.cli_openapi import show_openapi
from app.cli_slow import show_slow

_ORDER = (
    "dev",
    "token",
    "make-migration",
    "migrate",
    "db",
    "shell",
    "map",
    "modules",
    "flags",
    "jobs",
    "slow",
    "openapi",
    "mcp",
    "serve",
    "worker",
    "carve",
)


class _InOrder(TyperGroup):
    """Lists commands as they are needed: by day first. What a team adds stands behind them."""

    def list_commands(self, ctx: Any) -> list[str]:
        last = len(_ORDER)
        return sorted(
            super().list_commands(ctx),
            key=lambda name: _ORDER.index(name) if name in _ORDER else last,
        )


cli = typer.Typer(
    cls=_InOrder,
    help="Run, migrate and inspect this application.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
cli.add_typer(carve, name="carve")
cli.add_typer(jobs, name="jobs")
cli.command("flags", epilog="Example: app flags --json")(show_flags)
cli.command("openapi", epilog="Example: app openapi --module billing")(show_openapi)
cli.command("slow", epilog="Example: app slow --module billing --limit 3")(show_slow)
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]


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
    from app.platform.flags import FlagFiles
    from app.platform.settings import load_settings
    from app.platform.telemetry import configure_logs
    from app.platform.web import create_tokens
    from app.platform.web import serve as run_server
    from app.platform.wiring import discover, placed

    settings = load_settings()
    configure_logs(settings)
    create_tokens(settings)  # Here, where a missing issuer is one sentence.
    placed(settings, folders := discover(modules))  # What is wrong with these is said here, once.
    FlagFiles(folders, settings.flags_file)
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
    """Run jobs, beside `app serve`.

    Start more of them for more work. At SIGTERM or Ctrl-C it takes no more jobs, and gives those
    that run WORKER_DRAIN_TIMEOUT seconds to end. DATABASE_URL must reach Postgres itself, or a
    pooler that pools sessions, not transactions.
    """
    from app.main import run_worker
    from app.platform.settings import load_settings

    asyncio.run(run_worker(load_settings()))


@cli.command("migrate", epilog="Example: MIGRATION_DATABASE_URL=postgresql://… app migrate")
def apply_migrations(
    roles: Annotated[
        bool, typer.Option("--roles", help="Stop behind schemas and roles, before pg_restore.")
    ] = False,
    unless_ahead: Annotated[
        bool, typer.Option("--unless-ahead", help="Succeed where a newer version has migrated.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take back the newest that is not merged.")
    ] = False,
    module: Annotated[
        str | None, typer.Option(metavar="NAME", help="Undo that of this module.")
    ] = None,
    own: Annotated[
        bool, typer.Option("--own", help="The database of OWN_MIGRATION_DATABASE_URL.")
    ] = False,
) -> None:
    """Make schemas and roles, and apply all migrations.

    Connects with MIGRATION_DATABASE_URL, or DATABASE_URL where that is not set; without both, to the
    database of the `app dev` that runs here. A deployment says --unless-ahead: the release before may
    come back, and runs on the newer schema. With --undo, on a developer's database, it takes back the
    newest migration of a module, unless that is merged. With --own, it migrates the own database of the
    module that MODULES names, and that module alone.
    """
    from app.cli_development import explain_ahead, present_settings, undo_migration
    from app.platform.database import DatabaseAheadError
    from app.platform.migrations import migrate, prepare
    from app.platform.query_stats import why_unreadable
    from app.platform.wiring import discover, moves_of

    if own and (roles or undo):
        raise typer.BadParameter("--own goes with --unless-ahead, and with nothing else.")
    if undo:
        undo_migration(module)
        return
    if module:
        raise typer.BadParameter("--module belongs to --undo: the others are migrated together.")
    with present_settings() as settings:
        login, folders = settings.roles, discover(modules)
        moves, services = moves_of(modules), settings.services
        if roles and own:
            asyncio.run(migrate_own(settings, roles=True))
            return
        if roles:
            asyncio.run(prepare(settings.admin_url, login, folders, moves, services))
            return
        try:
            if own:
                applied = asyncio.run(migrate_own(settings))
            else:
                applied = asyncio.run(migrate(settings.admin_url, login, folders, moves, services))
        except DatabaseAheadError as ahead:
            if not unless_ahead:
                raise explain_ahead(ahead, folders) from ahead
            typer.echo(f"Warning: {ahead}", err=True)
            return
        admin = (own and settings.own_migration_database_url) or settings.admin_url
        reason = asyncio.run(why_unreadable(admin, login))
    typer.echo("\n".join(f"applied {each}" for each in applied) or "Nothing to do.")
    if reason:
        typer.echo(f"`app slow` will find nothing. {reason}", err=True)


@cli.command("modules", epilog="Example: app modules")
def list_modules() -> None:
    """List the modules, their owners and dependencies."""
    from app.platform.wiring import read_modules

    for each in read_modules(modules):
        needs = f"  needs {', '.join(each.depends_on)}" if each.depends_on else ""
        typer.echo(f"{each.name:20} {each.owner}{needs}")


add_commands(cli)


def main() -> None:
    """Run the command line; what can be foreseen becomes one sentence and exit code 1."""
    try:
        cli()
    except Exception as error:
        from app.cli_errors import describe, fail, is_foreseen

        if not is_foreseen(error):
            raise
        fail(describe(error))


if __name__ == "__main__":
    main()
