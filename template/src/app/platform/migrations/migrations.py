"""Schemas, roles and migrations: one history per module, in the module's own schema.

The admin who runs them needs CREATEROLE, and CREATE on the database. Each module's migrations are one
transaction, and everything here can run again: a run that was killed leaves modules that are done, and
modules that are as they were.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.platform import schemas
from app.platform.database import (
    async_url,
    check_login,
    connect_in_greenlet,
    MigrationError,
    prepare_schema,
    refused,
    roles_of,
)
from app.platform.jobs import install_queue, is_outdated
from app.platform.migrations.extensions import install_extensions
from app.platform.migrations.histories import (
    check_not_ahead,
    explained,
    History,
    is_current,
    pending,
    QUEUE,
    REQUESTS,
    STATEMENTS,
    upgrade,
)
from app.platform.migrations.locks import let_concurrent_wait, Patience, take_turn
from app.platform.migrations.moves import (
    are_done,
    carry_out,
    check_known,
    gone_from,
    prepare_stand_ins,
)
from app.platform.migrations.residency import (
    check_residents,
    let_service_speak,
    make_own,
    put_fences,
    residents,
)
from app.platform.migrations.services import check_services, let_services_speak, Services
from app.platform.query_stats import find_extension, install_views
from app.platform.telemetry import cause
from app.platform.timeouts import CONNECT
from app.platform.wiring import ModuleFolder, Move

logger = logging.getLogger("app.migrations")

_ADMINS = ("DATABASE_URL", "OWN_MIGRATION_DATABASE_URL", "MIGRATION_DATABASE_URL")
_MAY_ALL_CREATE = text(
    "SELECT has_schema_privilege('public', oid, 'CREATE') FROM pg_namespace WHERE nspname = 'public'"
)


async def migrate(
    admin_url: str,
    login: str,
    folders: Sequence[ModuleFolder],
    moves: Sequence[Move] = (),
    services: Services | None = None,
    own: str | None = None,
) -> list[str]:
    """Bring every module's schema up to date; return what was applied, as `module revision`.

    `login` is the role that the application connects as; it is granted each module's role. `services`
    are modules whose role another login is granted, and no others: see `services`. In the own database
    of a module that one alone is migrated, and `services` is the login that uses it: see `residency`.
    Modules that were moved go first. Of two at once, one waits for the other. What waits for a lock
    gives up soon, and tries again.
    Raises DatabaseAheadError where the database is ahead of the code, and MigrationError where the
    login is missing or not fit, a lock is not to be had, or a migration fails.
    """
    async with admin_connection(admin_url) as connection:
        patience, applied = Patience(connection, admin_url), list[str]()
        async with patience.watched():
            await take_turn(connection)
            await connection.run_sync(check_residents, folders, own)
            if own is not None:
                await connection.run_sync(make_own, login, own)
            await connection.run_sync(check_login, login)
            await connection.run_sync(check_services, services or (), folders)
            known, folders = folders, await connection.run_sync(residents, folders)
            await connection.run_sync(check_known, login, moves)
        histories: list[History] = [*folders, REQUESTS]
        if moves:
            applied += await carry_out(patience, connection, login, moves, folders)
        async with patience.watched():
            await connection.run_sync(_prepare_all, login, histories)
            await connection.run_sync(install_extensions, folders)
            await connection.run_sync(check_not_ahead, login, histories)
        await connection.run_sync(let_concurrent_wait)
        for history in histories:
            applied += await _upgrade_patiently(patience, connection, login, history)
        async with patience.watched():
            owner = await connection.run_sync(prepare_schema, login, schemas.QUEUE)
        applied += await patience.attempt(schemas.QUEUE, lambda: install_queue(connection, owner))
        names = [*(folder.name for folder in folders), schemas.QUEUE, schemas.REQUESTS]
        async with patience.watched():
            await connection.run_sync(put_fences)
            await connection.run_sync(_let_read_statistics, login, names)
            for module, service in services or () if own else ():
                await connection.run_sync(let_service_speak, login, module, service)
            if services is not None and own is None:
                await connection.run_sync(let_services_speak, login, services, known)
        return applied


async def prepare(
    admin_url: str,
    login: str,
    folders: Sequence[ModuleFolder],
    moves: Sequence[Move] = (),
    services: Services | None = None,
    own: str | None = None,
) -> None:
    """Create every module's schema and roles, nothing in them, and extensions: what `pg_restore` needs.

    Raises MigrationError as `migrate` does.
    """
    async with (
        admin_connection(admin_url) as connection,
        Patience(connection, admin_url).watched(),
    ):
        await take_turn(connection)
        await connection.run_sync(check_residents, folders, own)
        if own is not None:
            await connection.run_sync(make_own, login, own)
        await connection.run_sync(check_services, services or (), folders)
        living = await connection.run_sync(residents, folders)
        await connection.run_sync(_prepare_all, login, [*living, REQUESTS, QUEUE, STATEMENTS])
        await connection.run_sync(prepare_stand_ins, login, moves)
        await connection.run_sync(install_extensions, living)
        for module, service in services or () if own else ():
            await connection.run_sync(let_service_speak, login, module, service)
        if services is not None and own is None:
            await connection.run_sync(let_services_speak, login, services, folders)


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
        setting = next((each for each in _ADMINS if os.environ.get(each) == admin_url), _ADMINS[-1])
        raise MigrationError(
            f"Cannot connect as {url.username} to the database {url.database} on {url.host}: "
            f"{cause(error)}. Is {setting} right, and does Postgres run?"
        ) from error
    try:
        yield connection
    finally:
        await connection.close()
        await engine.dispose()


async def is_migrated(
    engine: AsyncEngine, folders: Sequence[ModuleFolder], moves: Sequence[Move] = ()
) -> bool:
    """Say whether the database has had every migration of the code, and none besides."""
    login = roles_of(engine)
    async with engine.connect() as connection:
        folders = await connection.run_sync(residents, folders, open_to_all=True)
        current = await connection.run_sync(is_current, login, [*folders, REQUESTS])
        current = current and await connection.run_sync(are_done, login, moves)
        return current and not await is_outdated(connection)


async def pending_migrations(
    connection: AsyncConnection, folders: Sequence[ModuleFolder]
) -> list[str]:
    """Return the modules whose schema is older than the code.

    A schema newer than the code is no reason to wait, nor is one that a newer version has taken away, or
    one whose data are in another database: during a deployment, old instances go on.
    """
    login = roles_of(connection.engine)
    folders = await connection.run_sync(residents, folders, open_to_all=True)
    behind = await connection.run_sync(pending, login, [*folders, REQUESTS])
    if left := set(behind) & {folder.name for folder in folders}:
        here = next(folder.path.parent for folder in folders if folder.name in left)
        gone = await connection.run_sync(gone_from, login, here)
        behind = [name for name in behind if name not in gone]
    return behind + ([schemas.QUEUE] if await is_outdated(connection) else [])


def _prepare_all(connection: Connection, login: str, histories: Sequence[History]) -> None:
    check_login(connection, login)
    try:
        _close_public(connection)
    except DBAPIError as error:
        raise refused("the database", error) from error
    for history in histories:
        prepare_schema(connection, login, history.name)


def _close_public(connection: Connection) -> None:
    """Let nobody make tables in `public`, where any module could read and write them, in a database
    that was made before PostgreSQL 15."""
    if connection.scalar(_MAY_ALL_CREATE):
        connection.execute(text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
        logger.warning(
            "Took from all roles the right to create in the schema public of this database. Give "
            "it back to those of other applications that need it: GRANT CREATE ON SCHEMA public TO"
        )
    connection.commit()


async def _upgrade_patiently(
    patience: Patience, connection: AsyncConnection, login: str, history: History
) -> list[str]:
    applied: dict[str, None] = {}  # In order; what an attempt did that was undone, the next does.
    with explained(history):
        await patience.attempt(
            history.name, lambda: connection.run_sync(upgrade, login, history, applied)
        )
    return [f"{history.name} {revision}" for revision in applied]


def _let_read_statistics(connection: Connection, login: str, modules: list[str]) -> None:
    """Without them, everything else works: what is in the way is told, and no failure."""
    try:
        if find_extension(connection):
            prepare_schema(connection, login, schemas.STATEMENTS)
            install_views(connection, login, modules)
    except (DBAPIError, MigrationError) as error:
        connection.rollback()
        logger.warning("Statistics of statements could not be set up: %s", cause(error))
