"""Who may read what Postgres counts of statements (`pg_stat_statements`), by two views.

`own_statements` shows each role its own statements; `module_statements` sums them up by role, without
their texts, for the platform's own role. Neither needs `pg_read_all_stats`, which shows every database.
"""

from typing import Any

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.platform import schemas
from app.platform.database import connect, owner_of, role_of
from app.platform.telemetry import cause
from app.platform.timeouts import STATISTICS

EXTENSION = "pg_stat_statements"
OWN = f"{schemas.STATEMENTS}.own_statements"
BY_ROLE = f"{schemas.STATEMENTS}.module_statements"

_VERSION = "1"
"""Told by a comment on the view: change it with the views, and they are made anew."""
_INSTALLED = text(f"SELECT obj_description(to_regclass('{OWN}'), 'pg_class')")
_EXTENSION_SCHEMA = (
    f"SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = '{EXTENSION}'"
)
_NOT_HERE = {"42501", "42703", "42883"}
"""The admin may not, or the extension is older than 1.8, of PostgreSQL 13."""
_HERE = "dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
_VIEWS = f"""
    DROP VIEW IF EXISTS {OWN}, {BY_ROLE};
    CREATE VIEW {OWN} WITH (security_barrier) AS
        SELECT query, calls, rows, total_exec_time, mean_exec_time, temp_blks_written,
            shared_blks_hit + shared_blks_read AS shared_blks
        FROM %(schema)s.{EXTENSION}
        WHERE {_HERE} AND userid = (SELECT oid FROM pg_roles WHERE rolname = current_user);
    CREATE VIEW {BY_ROLE} AS
        SELECT rolname AS role, sum(calls)::bigint AS calls, sum(total_exec_time) AS total_exec_time
        FROM %(schema)s.{EXTENSION}(false) JOIN pg_roles ON pg_roles.oid = userid
        WHERE {_HERE} GROUP BY rolname;
    COMMENT ON VIEW {OWN} IS '{_VERSION}'"""


def find_extension(connection: Connection) -> bool:
    """Say whether the database has the extension; create it where the admin may."""
    if connection.scalar(text(_EXTENSION_SCHEMA)) is None:
        try:
            connection.execute(text(f"CREATE EXTENSION {EXTENSION} SCHEMA public"))
        except DBAPIError:
            connection.rollback()
            return False
    connection.commit()
    return True


def install_views(connection: Connection, login: str, modules: list[str]) -> None:
    """Make the views where they are missing or old, and let each module read its own statements.

    Where the admin may not, nothing is made: `why_absent` says what is missing.
    """
    owner = owner_of(login, schemas.STATEMENTS)
    try:
        schema = connection.scalar(text(_EXTENSION_SCHEMA))
        connection.execute(text(f'GRANT USAGE ON SCHEMA {schema} TO "{owner}"'))
        connection.execute(text(f'SET LOCAL ROLE "{owner}"'))
        if connection.scalar(_INSTALLED) != _VERSION:
            for statement in (_VIEWS % {"schema": schema}).split(";"):
                connection.execute(text(statement))
        roles = ", ".join(f'"{role_of(login, module)}"' for module in modules)
        connection.execute(text(f"GRANT USAGE ON SCHEMA {schemas.STATEMENTS} TO {roles}"))
        connection.execute(text(f"GRANT SELECT ON {OWN} TO {roles}"))
    except DBAPIError as error:
        connection.rollback()
        if getattr(error.orig, "sqlstate", None) not in _NOT_HERE:
            raise
    else:
        connection.commit()


async def why_unreadable(admin_url: str, login: str) -> str | None:
    """Return, in a sentence, why `app migrate` could not let a login read statistics, if so."""
    try:
        connection = await connect(admin_url, command_timeout=STATISTICS)
        try:
            return await why_absent(connection, owner_of(login, schemas.STATEMENTS))
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return f"Postgres did not say why: {cause(error)}"


async def why_absent(connection: Any, role: str) -> str | None:
    """Return, in a sentence, why a role finds no statistics and what to do; None where it does."""
    made = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_views WHERE schemaname || '.' || viewname = $1)", OWN
    )
    if made:
        try:
            async with connection.transaction():
                await connection.execute(f'SET LOCAL ROLE "{role}"')
                await connection.execute(f"SELECT FROM {BY_ROLE} LIMIT 1")
        except asyncpg.ObjectNotInPrerequisiteStateError:
            return (
                f"Postgres counts no statements: add {EXTENSION} to shared_preload_libraries in "
                "its configuration, and restart it."
            )
        except asyncpg.InsufficientPrivilegeError as error:
            return (
                f"The role {role} may not read the statistics of statements ({error}): run "
                "`app migrate` with the admin who made the application's roles."
            )
        return None
    if await connection.fetchval(_EXTENSION_SCHEMA):
        return (
            f"Nobody may read the extension {EXTENSION} of this database yet: run `app migrate` "
            "with an admin who may grant USAGE on its schema."
        )
    available = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = $1)"
    if await connection.fetchval(available, EXTENSION):
        return (
            f"This database has no extension {EXTENSION}: add it to shared_preload_libraries, let "
            f"an admin who may `CREATE EXTENSION {EXTENSION}`, and run `app migrate`."
        )
    return (
        f"This Postgres server does not bring the extension {EXTENSION}: it is among the "
        '"contrib" modules of PostgreSQL. The Postgres of `app dev` has it.'
    )
