"""Removes a module from the database: its schema, its jobs, and its roles where no other database of the
server needs them."""

import logging

from sqlalchemy import Connection, text

from app.platform.database import grant, MigrationError, owner_of, role_of
from app.platform.jobs import forget_jobs
from app.platform.wiring import Move

logger = logging.getLogger("app.migrations")

_OWNER = text("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = :name")
_EXISTS = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)")
_NEEDED_IN = text(
    """SELECT DISTINCT coalesce(datname, 'the server as a whole') FROM pg_shdepend
    LEFT JOIN pg_database ON pg_database.oid = dbid
    WHERE refclassid = 'pg_authid'::regclass AND refobjid = to_regrole(quote_ident(:role)) ORDER BY 1"""
)


def remove(connection: Connection, login: str, move: Move) -> str | None:
    """Drop a module's schema or put it away, in the transaction that is open; return what is to be told
    besides, or None where there is no such schema."""
    name, owner = move.name, owner_of(login, move.name)
    found = connection.scalar(_OWNER, {"name": name})
    if found is None:
        return None
    if found.strip('"') != owner:
        raise MigrationError(
            f"moved.toml removes {name}, but the schema belongs to {found}, not to {owner}: it is left "
            "alone. Was this database migrated for another login?"
        )
    archive = f"archived_{name}_{move.on:%Y%m%d}" if move.is_archived else None
    if archive:
        connection.exec_driver_sql(f'ALTER SCHEMA "{name}" RENAME TO "{archive}"')
        connection.exec_driver_sql(f'REASSIGN OWNED BY "{owner}" TO CURRENT_USER')
    jobs = forget_jobs(connection, login, name, archive)
    drop_roles(connection, login, name)
    told = f": {jobs} jobs that waited were deleted" if jobs else ""
    return f"{told}; its data are in the schema {archive}" if archive else told


def drop_roles(connection: Connection, login: str, module: str) -> None:
    """Drop what a module's roles own and may do in this database, and the roles.

    Other databases are not touched: they may be another environment's. A role that one of them needs
    stays, until its own `app migrate` drops it.
    """
    admin = str(connection.scalar(text("SELECT current_user")))
    for role in (role_of(login, module), owner_of(login, module)):
        if not connection.scalar(_EXISTS, {"role": role}):
            continue
        grant(connection, role, admin, inherit=True)
        connection.exec_driver_sql(f'DROP OWNED BY "{role}"')
        if needed := list(connection.scalars(_NEEDED_IN, {"role": role})):
            logger.warning(
                "The role %s stays: it is needed in %s. `app migrate` drops it there, or: DROP ROLE",
                role,
                ", ".join(needed[:3]) + f" and {len(needed) - 3} more" * (len(needed) > 3),
            )
            continue
        connection.exec_driver_sql(f'DROP ROLE "{role}"')
