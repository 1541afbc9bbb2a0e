"""Schemas, roles and migrations: one history per module, in the module's own schema.

An admin runs them. The admin need not be a superuser: CREATEROLE, and CREATE on the database, are
enough, as on a managed Postgres. Everything here can run again without harm: each module's
migrations are one transaction, so that a run that was killed leaves modules that are done, and
modules that are as they were.
"""

import asyncio
import logging
import os
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TYPE_CHECKING

import asyncpg
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.platform import schemas
from app.platform.database import (
    async_url,
    check_login,
    connect_in_greenlet,
    DatabaseAheadError,
    EXTENSIONS,
    MigrationError,
    owner_of,
    prepare_schema,
    refused,
    role_of,
    sqlstate_of,
)
from app.platform.jobs import install_queue, is_outdated
from app.platform.migrations.extensions import install_extensions
from app.platform.migrations.invalid_indexes import clear_invalid_indexes
from app.platform.migrations.locks import let_concurrent_wait, Patience, take_turn
from app.platform.migrations.revisions import read_revisions, Revisions
from app.platform.query_stats import find_extension, install_views
from app.platform.telemetry import cause
from app.platform.timeouts import CONNECT
from app.platform.wiring import ModuleFolder

if TYPE_CHECKING:  # Alembic is slow to import, and only `app migrate` needs it.
    from alembic.config import Config
    from alembic.runtime.migration import MigrationInfo

logger = logging.getLogger("app.migrations")

_CANCELLED = "57014"
_MAY_ALL_CREATE = text(
    "SELECT has_schema_privilege('public', oid, 'CREATE') FROM pg_namespace WHERE nspname = 'public'"
)


class History(Protocol):
    """A schema of its own and its migrations: a module, or the platform's part."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path:
        """The folder above `migrations`."""


@dataclass(frozen=True)
class _Own:
    name: str

    @property
    def path(self) -> Path:
        return Path(__file__).parent / "alembic" / self.name


_REQUESTS, _QUEUE = _Own(schemas.REQUESTS), _Own(schemas.QUEUE)


async def migrate(admin_url: str, login: str, folders: Sequence[ModuleFolder]) -> list[str]:
    """Bring every module's schema up to date; return what was applied, as `module revision`.

    `login` is the role that the application connects as; it is granted each module's role.
    Of two at once, one waits for the other. What waits for a lock gives up soon, and tries again.
    Raises DatabaseAheadError where the database is ahead of the code, and MigrationError where the
    login is missing or not fit, a lock is not to be had, or a migration fails.
    """
    histories: list[History] = [*folders, _REQUESTS]
    async with admin_connection(admin_url) as connection:
        patience, applied = Patience(connection, admin_url), list[str]()
        async with patience.watched():
            await take_turn(connection)
            await connection.run_sync(_prepare_all, login, histories)
            await connection.run_sync(install_extensions, folders)
            await connection.run_sync(_check_not_ahead, login, histories)
        await connection.run_sync(let_concurrent_wait)
        for history in histories:
            applied += await _upgrade_patiently(patience, connection, login, history)
        async with patience.watched():
            owner = await connection.run_sync(prepare_schema, login, schemas.QUEUE)
        applied += await patience.attempt(schemas.QUEUE, lambda: install_queue(connection, owner))
        names = [folder.name for folder in folders]
        async with patience.watched():
            await connection.run_sync(
                _let_read_statistics, login, [*names, schemas.QUEUE, schemas.REQUESTS]
            )
        return applied


async def prepare(admin_url: str, login: str, folders: Sequence[ModuleFolder]) -> None:
    """Create every module's schema and roles, nothing in them, and extensions: what `pg_restore` needs.

    Raises MigrationError as `migrate` does.
    """
    async with (
        admin_connection(admin_url) as connection,
        Patience(connection, admin_url).watched(),
    ):
        await take_turn(connection)
        await connection.run_sync(_prepare_all, login, [*folders, _REQUESTS, _QUEUE])
        await connection.run_sync(install_extensions, folders)


@asynccontextmanager
async def admin_connection(admin_url: str) -> AsyncIterator[AsyncConnection]:
    """Connect as the admin while the block lasts. Raises MigrationError where that fails."""
    options = {
        "async_creator_fn": connect_in_greenlet,
        "server_settings": {"application_name": "app migrate"},
    }
    engine = create_async_engine(async_url(admin_url), poolclass=NullPool, connect_args=options)
    connection = engine.connect()
    try:
        async with asyncio.timeout(2 * CONNECT):  # To connect, and to ask which version it is.
            await connection.start()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError) as error:
        url = make_url(admin_url)
        is_own = os.environ.get("DATABASE_URL") != admin_url
        raise MigrationError(
            f"Cannot connect as {url.username} to the database {url.database} on {url.host}: "
            f"{cause(error)}. Is {'MIGRATION_' * is_own}DATABASE_URL right, and does Postgres run?"
        ) from error
    try:
        yield connection
    finally:
        await connection.close()
        await engine.dispose()


async def pending_migrations(
    connection: AsyncConnection, folders: Sequence[ModuleFolder]
) -> list[str]:
    """Return the modules whose schema is older than the code.

    A schema newer than the code is no reason to wait: during a deployment, old instances go on.
    """
    login = connection.engine.url.username or ""
    pending = await connection.run_sync(_pending, login, [*folders, _REQUESTS])
    return pending + ([schemas.QUEUE] if await is_outdated(connection) else [])


def _prepare_all(connection: Connection, login: str, histories: Sequence[History]) -> None:
    check_login(connection, login)
    try:
        _close_public(connection)
    except DBAPIError as error:
        raise refused("the database", error) from error
    for history in histories:
        prepare_schema(connection, login, history.name)


def _close_public(connection: Connection) -> None:
    """Let nobody make tables in `public`, where any module could read and write them.

    So it is from PostgreSQL 15 on. A database that is older, or was once, may be used by others, too.
    """
    if connection.scalar(_MAY_ALL_CREATE):
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
        logger.warning(
            "Took from all roles the right to create in the schema public of this database. Give "
            "it back to those of other applications that need it: GRANT CREATE ON SCHEMA public TO"
        )
    connection.commit()


def _check_not_ahead(connection: Connection, login: str, histories: Sequence[History]) -> None:
    """Change nothing in a database in which a newer version of the code has been."""
    for history in _migrated(connection, histories):
        applied, code = _state(connection, owner_of(login, history.name), history)
        if unknown := applied - code.known:
            raise DatabaseAheadError(
                f"The database is ahead of this code: {history.name} has had the migration "
                f"{', '.join(sorted(unknown))}, which is not in {history.path / 'migrations'}. "
                "Nothing was changed. Migrate with the code that has it; to roll back, start the "
                "older version without migrating. A local database can be thrown away by deleting "
                ".local."
            )
    connection.rollback()


async def _upgrade_patiently(
    patience: Patience, connection: AsyncConnection, login: str, history: History
) -> list[str]:
    applied: dict[str, None] = {}  # In order; what an attempt did that was undone, the next does.

    async def upgrade() -> None:
        await connection.run_sync(_upgrade, login, history, applied)

    with explained(history):
        await patience.attempt(history.name, upgrade)
    return [f"{history.name} {revision}" for revision in applied]


def _upgrade(
    connection: Connection, login: str, history: History, applied: dict[str, None]
) -> None:
    from alembic import command

    def report(step: "MigrationInfo", **_rest: object) -> None:
        applied[str(step.up_revision_id)] = None

    with as_owner(connection, owner_of(login, history.name)):
        behind = bool(_pending(connection, login, [history], owner_of))
        connection.rollback()
        clear_invalid_indexes(connection, history.name, rebuild=behind)
        command.upgrade(config_of(history, connection, on_version_apply=report), "heads")
        connection.execute(
            text(
                f'REVOKE INSERT, UPDATE, DELETE ON "{history.name}".alembic_version '
                f'FROM "{role_of(login, history.name)}"'
            )
        )


def _let_read_statistics(connection: Connection, login: str, modules: list[str]) -> None:
    """Without them, everything else works: what is in the way is told, and no failure."""
    try:
        if find_extension(connection):
            prepare_schema(connection, login, schemas.STATEMENTS)
            install_views(connection, login, modules)
    except (DBAPIError, MigrationError) as error:
        connection.rollback()
        logger.warning("Statistics of statements could not be set up: %s", cause(error))


@contextmanager
def explained(history: History) -> Iterator[None]:
    """Turn what Alembic and Postgres say into an error that names the module and the remedy."""
    from alembic.util import CommandError

    try:
        yield
    except CommandError as error:
        raise MigrationError(
            f"The migrations of {history.name} do not fit together: {error}. Mend "
            f"{history.path / 'migrations'}."
        ) from error
    except DBAPIError as error:
        hint = ""
        if sqlstate_of(error) == _CANCELLED:
            hint = " It took too long: move large data in a job, a batch at a time."
        raise MigrationError(
            f"A migration in {history.path / 'migrations'} failed and was undone: {error.orig} in: "
            f"{error.statement}.{hint} Mend it and run `app migrate` again."
        ) from error


@contextmanager
def as_owner(connection: Connection, owner: str) -> Iterator[None]:
    """Run as the role that owns a module's schema: its migrations can reach nothing else."""
    connection.execute(text(f'SET ROLE "{owner}"'))
    connection.execute(text(f"SET search_path = {EXTENSIONS}"))
    connection.commit()
    try:
        yield
        connection.commit()
    finally:
        connection.rollback()
        connection.execute(text("RESET ROLE"))
        connection.execute(text("RESET search_path"))
        connection.commit()


def _pending(
    connection: Connection,
    login: str,
    histories: Sequence[History],
    reader: Callable[[str, str], str] = role_of,
) -> list[str]:
    migrated = _migrated(connection, histories)
    pending = []
    for history in histories:
        if history not in migrated:
            pending.append(history.name)
            continue
        applied, code = _state(connection, reader(login, history.name), history)
        if applied <= code.known and not applied >= code.heads:
            pending.append(history.name)
    return pending


def _migrated(connection: Connection, histories: Sequence[History]) -> list[History]:
    """Return those of which the database has heard."""
    schemas = text("SELECT schemaname FROM pg_tables WHERE tablename = 'alembic_version'")
    migrated = set(connection.scalars(schemas))
    return [history for history in histories if history.name in migrated]


def _state(connection: Connection, role: str, history: History) -> tuple[set[str], Revisions]:
    """Return the newest migrations that a database has had, and those that the code has."""
    connection.execute(text(f'SET LOCAL ROLE "{role}"'))
    version = text(f'SELECT version_num FROM "{history.name}".alembic_version')
    return set(connection.scalars(version)), read_revisions(history.path / "migrations")


def config_of(history: History, connection: Connection | None = None, **more: object) -> "Config":
    """Return what Alembic needs to know of one history."""
    from alembic.config import Config

    config = Config(
        cmd_opts=Namespace(quiet=True),
        attributes={"connection": connection, "schema": history.name, **more},
    )
    config.set_main_option("script_location", "app.platform.migrations:alembic")
    config.set_main_option("version_locations", (history.path / "migrations").as_posix())
    config.set_main_option("path_separator", "newline")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config
