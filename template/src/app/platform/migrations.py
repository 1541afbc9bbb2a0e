"""Schemas, roles and migrations: one history per module, in the module's own schema.

An admin runs them. The admin need not be a superuser: CREATEROLE, and CREATE on the database, are
enough, as on a managed Postgres. Everything here can run again without harm.
"""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, UTC
from importlib import import_module
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationInfo
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.platform.engine import async_url
from app.platform.roles import check_login, MigrationError, owner_of, prepare_schema, role_of
from app.platform.wiring import ModuleFolder

_LOCK = 7_285_917_604
"""Key of the advisory lock that lets one migration run at a time."""
_CONCURRENT = {"23505", "42710", "XX000"}
"""What Postgres says when two sessions create or grant the same role at once."""
_FORMAT_WITH_RUFF = {
    "hooks": "ruff",
    "ruff.type": "module",
    "ruff.module": "ruff",
    "ruff.options": "format --quiet REVISION_SCRIPT_FILENAME",
}


async def migrate(admin_url: str, login: str, folders: Sequence[ModuleFolder]) -> list[str]:
    """Bring every module's schema up to date; return what was applied, as `module revision`.

    `login` is the role that the application connects as; it is granted each module's role.
    Raises MigrationError where the login is missing or not fit.
    """
    engine = create_async_engine(async_url(admin_url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_migrate, login, folders)
    finally:
        await engine.dispose()


async def make_migration(admin_url: str, login: str, folder: ModuleFolder, message: str) -> Path:
    """Write a migration from the difference between a module's tables and its schema.

    Returns the new file. The database must be up to date.
    Raises MigrationError where there is no difference, or the message cannot stand in a file.
    """
    if not message.isprintable() or set(message) & set('"\\'):
        raise MigrationError("Write the message without quotation marks, backslashes, line breaks.")
    engine = create_async_engine(async_url(admin_url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_revise, login, folder, message)
    finally:
        await engine.dispose()


async def pending_migrations(
    connection: AsyncConnection, folders: Sequence[ModuleFolder]
) -> list[str]:
    """Return the modules whose schema is older than the code.

    A schema newer than the code is no reason to wait: during a deployment, old instances go on.
    """
    login = connection.engine.url.username or ""
    return await connection.run_sync(_pending, login, folders)


def _migrate(connection: Connection, login: str, folders: Sequence[ModuleFolder]) -> list[str]:
    applied: list[str] = []
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
    check_login(connection, login)
    connection.execute(text("REVOKE ALL ON SCHEMA public FROM PUBLIC"))
    connection.commit()
    for folder in folders:
        owner = _prepare(connection, login, folder.name)

        def report(step: MigrationInfo, name: str = folder.name, **_rest: object) -> None:
            applied.append(f"{name} {step.up_revision_id}")

        with _as_owner(connection, owner), _explained(folder):
            command.upgrade(_config(folder, connection, on_version_apply=report), "heads")
            connection.execute(
                text(
                    f'REVOKE INSERT, UPDATE, DELETE ON "{folder.name}".alembic_version '
                    f'FROM "{role_of(login, folder.name)}"'
                )
            )
    return applied


def _prepare(connection: Connection, login: str, module: str) -> str:
    """Create a module's schema and roles; return the owner's name.

    Roles belong to the server, but the advisory lock to one database: another application or test
    run may create the same roles at the same moment, and then it is enough to look again.
    """
    for attempt in range(1, 6):
        try:
            return prepare_schema(connection, login, module)
        except DBAPIError as error:
            connection.rollback()
            if attempt < 5 and getattr(error.orig, "sqlstate", None) in _CONCURRENT:
                continue
            raise MigrationError(
                f"Postgres refused to prepare schema and roles of {module}: {error.orig}. "
                "The admin needs CREATEROLE, CREATE on the database, and to have created the "
                "module's roles."
            ) from error
    raise AssertionError


@contextmanager
def _explained(folder: ModuleFolder) -> Iterator[None]:
    """Turn what Alembic and Postgres say into an error that names the module and the remedy."""
    try:
        yield
    except CommandError as error:
        raise MigrationError(
            f"The migrations of {folder.name} do not fit the database: {error}. Check out the code "
            f"that has them or mend {folder.path / 'migrations'}; a local database can be thrown "
            "away by deleting .local."
        ) from error
    except DBAPIError as error:
        raise MigrationError(
            f"A migration in {folder.path / 'migrations'} failed, and its module was left as it "
            f"was: {error.orig} in: {error.statement}"
        ) from error


@contextmanager
def _as_owner(connection: Connection, owner: str) -> Iterator[None]:
    """Run as the role that owns a module's schema: its migrations can reach nothing else."""
    connection.execute(text(f'SET ROLE "{owner}"'))
    connection.commit()
    try:
        yield
        connection.commit()
    finally:
        connection.rollback()
        connection.execute(text("RESET ROLE"))
        connection.commit()


def _revise(connection: Connection, login: str, folder: ModuleFolder, message: str) -> Path:
    metadata = import_module(f"{folder.package}.tables").Base.metadata
    config = _config(folder, connection, metadata=metadata)
    with _as_owner(connection, owner_of(login, folder.name)), _explained(folder):
        script = command.revision(
            config,
            message,
            autogenerate=True,
            # A time, not a number: migrations from two branches stand side by side and both run.
            rev_id=f"{datetime.now(UTC):%Y%m%d%H%M%S}",
            head="heads",
            process_revision_directives=_drop_empty,
        )
    if not isinstance(script, Script):
        raise MigrationError(f"{folder.name}/tables.py and the database agree: nothing to write.")
    return Path(script.path)


def _drop_empty(_context: object, _revision: object, directives: list[MigrationScript]) -> None:
    operations = directives[0].upgrade_ops
    if operations is not None and operations.is_empty():
        directives.clear()


def _pending(connection: Connection, login: str, folders: Sequence[ModuleFolder]) -> list[str]:
    schemas = text("SELECT schemaname FROM pg_tables WHERE tablename = 'alembic_version'")
    migrated = set(connection.scalars(schemas))
    pending = []
    for folder in folders:
        applied: set[str] = set()
        if folder.name in migrated:
            connection.execute(text(f'SET LOCAL ROLE "{role_of(login, folder.name)}"'))
            version = text(f'SELECT version_num FROM "{folder.name}".alembic_version')
            applied = set(connection.scalars(version))
        script = ScriptDirectory.from_config(_config(folder))
        known = {revision.revision for revision in script.walk_revisions()}
        if applied <= known and not applied >= set(script.get_heads()):
            pending.append(folder.name)
    return pending


def _config(folder: ModuleFolder, connection: Connection | None = None, **more: object) -> Config:
    config = Config(
        cmd_opts=Namespace(quiet=True),
        attributes={"connection": connection, "schema": folder.name, **more},
    )
    config.set_main_option("script_location", "app.platform:alembic")
    config.set_main_option("version_locations", (folder.path / "migrations").as_posix())
    config.set_main_option("path_separator", "newline")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    for name, value in _FORMAT_WITH_RUFF.items():
        config.set_section_option("post_write_hooks", name, value)
    return config
