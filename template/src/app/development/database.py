"""The database of a developer's machine: the one in DATABASE_URL, or a Postgres of our own."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, ExitStack, suppress

import asyncpg
from sqlalchemy import make_url, text

from app.development.local_postgres import FOLDER, is_running, local_postgres, LocalPostgresError
from app.platform.database import MigrationError
from app.platform.migrations import admin_connection
from app.platform.settings import load_settings, Settings, SettingsError

_MAY_CREATE = text(
    "SELECT rolsuper OR rolcreatedb AND rolcreaterole FROM pg_roles WHERE rolname = current_user"
)


@contextmanager
def development_settings() -> Iterator[Settings]:
    """Yield settings with a database to develop on; it lives as long as the block.

    Without DATABASE_URL, that is a database `app` on the local Postgres, where the application
    logs in with as few rights as in production. Raises SettingsError.
    """
    if not _is_development():
        raise SettingsError("ENVIRONMENT: this is for development only, so unset it")
    if "DATABASE_URL" in os.environ:
        yield load_settings(environment="development")
        return
    with development_server() as admin_url:
        asyncio.run(_create_database(admin_url, "app"))
        login_url = asyncio.run(create_login(admin_url, "app"))
        yield load_settings(
            environment="development",
            database_url=with_database(login_url, "app"),
            migration_database_url=with_database(admin_url, "app"),
        )


@contextmanager
def own_database() -> Iterator[Settings]:
    """Yield settings of a database that may be thrown away, or taken back.

    Raises SettingsError where DATABASE_URL names one, and nobody has said whose that is.
    """
    if "DATABASE_URL" in os.environ and "ENVIRONMENT" not in os.environ:
        raise SettingsError(
            "DATABASE_URL is set, and may be anybody's database: say ENVIRONMENT=development where "
            "it is yours to lose, or unset DATABASE_URL: the local server has one of its own"
        )
    with development_settings() as settings:
        yield settings


async def recreate_database(settings: Settings) -> None:
    """Drop a database, whoever uses it, and create it empty. Raises MigrationError."""
    url = make_url(settings.admin_url)
    try:
        admin = await asyncpg.connect(with_database(settings.admin_url, "postgres"))
        try:
            login = make_url(settings.database_url).username
            with suppress(asyncpg.PostgresError):  # To end its connections; a superuser may anyway.
                await admin.execute(f'GRANT "{login}" TO CURRENT_USER WITH INHERIT TRUE')
            await admin.execute(f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)')
            await admin.execute(f'CREATE DATABASE "{url.database}"')
        finally:
            await admin.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise MigrationError(
            f"The database {url.database} cannot be made anew as {url.username}: {error}."
        ) from error


@contextmanager
def development_server() -> Iterator[str]:
    """Yield the URL of an admin who may create databases and roles.

    Raises SettingsError, and MigrationError where the one in the environment may not, or does not answer.
    """
    if "DATABASE_URL" in os.environ:
        admin_url = load_settings(environment="development").admin_url
        asyncio.run(_check_admin(admin_url))
        yield admin_url
        return
    with ExitStack() as stack:
        try:
            admin_url = stack.enter_context(local_postgres(FOLDER))
        except LocalPostgresError as error:
            raise SettingsError(str(error)) from None
        yield admin_url


def is_server_running() -> bool:
    """Say whether somebody uses the local Postgres now, such as `app dev`."""
    return _is_development() and is_running(FOLDER)


async def create_login(admin_url: str, login: str) -> str:
    """Create a login that may do nothing yet, if it is missing; return its URL.

    Its password follows from the admin's, so that processes side by side agree on it.
    """
    url = make_url(admin_url)
    secret = hashlib.sha256(f"{login} {url.password}".encode()).hexdigest()
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(
            f"DO $$ BEGIN CREATE ROLE \"{login}\" LOGIN NOINHERIT PASSWORD '{secret}'; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    finally:
        await connection.close()
    return url.set(username=login, password=secret).render_as_string(hide_password=False)


def with_database(url: str, name: str) -> str:
    """Return the URL of another database on the same server, for the same login."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _is_development() -> bool:
    return os.environ.get("ENVIRONMENT", "development") == "development"


async def _check_admin(admin_url: str) -> None:
    async with admin_connection(admin_url) as connection:
        if not await connection.scalar(_MAY_CREATE):
            raise MigrationError(
                f"The role {make_url(admin_url).username} may not create databases and roles, of which "
                "there is one for each test: ALTER ROLE … CREATEDB CREATEROLE as a superuser, set "
                "MIGRATION_DATABASE_URL to one who may, or unset DATABASE_URL: the local server has one."
            )


async def _create_database(admin_url: str, name: str) -> None:
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        pass
    finally:
        await connection.close()
