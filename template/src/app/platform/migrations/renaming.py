"""Renames a module's schema, and lets the release before go on under the old name.

Schema and history move to new roles. The old roles stay: other databases of the server may need them, and
transactions that run have switched to them. A schema of the old name holds a view of each table. Nothing
waits for anybody, but for those who enqueue jobs at this moment.
"""

from sqlalchemy import Connection, text

from app.platform.database import (
    grant,
    let_use,
    make_roles,
    MigrationError,
    owner_of,
    role_of,
)
from app.platform.jobs import speak_old_names
from app.platform.wiring import Move

_IS_SCHEMA = text("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = :name)")
_HAS_VERSION = text(
    """SELECT EXISTS (SELECT FROM pg_tables
    WHERE schemaname = :name AND tablename = 'alembic_version')"""
)
_TABLES = text(
    """SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(:name))
    AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY relname"""
)
_TYPES = text(
    """SELECT typname FROM pg_type LEFT JOIN pg_class ON pg_class.oid = typrelid
    WHERE typnamespace = to_regnamespace(quote_ident(:name))
        AND (typtype IN ('e', 'd') OR typtype = 'c' AND relkind = 'c') ORDER BY typname"""
)
_RENAMED = "renamed to "
"""Stands where the old release looks for its migrations: to it, the database is ahead of its code."""


def rename(connection: Connection, login: str, move: Move) -> str | None:
    """Rename a module's schema, in the transaction that is open; return None where there is nothing to
    rename."""
    old, new = move.name, move.to
    if not _is_module(connection, old) or stands_in(connection, old) == new:
        return None
    speak_old_names(connection, login, old, new, move.jobs)
    if connection.scalar(_IS_SCHEMA, {"name": new}):
        _make_way(connection, old, new)
    owner, (new_role, new_owner) = owner_of(login, old), make_roles(connection, login, new)
    grant(connection, owner, new_owner, inherit=True)  # The tables stay the old owner's for now.
    connection.execute(text(f'ALTER SCHEMA "{old}" RENAME TO "{new}"'))
    connection.execute(text(f'ALTER SCHEMA "{new}" OWNER TO "{new_owner}"'))
    _speak_as(connection, new_owner)
    let_use(connection, new, new_role)
    # Foreign keys are checked as the owner of the table.
    connection.execute(text(f'GRANT USAGE ON SCHEMA "{new}" TO "{owner}"'))
    _speak_as(connection, owner)
    for what in ("SELECT, INSERT, UPDATE, DELETE ON ALL TABLES", "USAGE, SELECT ON ALL SEQUENCES"):
        connection.execute(text(f'GRANT {what} IN SCHEMA "{new}" TO "{new_role}"'))
    connection.execute(text("RESET ROLE"))
    _stand_in(connection, login, old, new)
    return ""


def stands_in(connection: Connection, name: str) -> str | None:
    """Return the module that a name stands in for, if it does."""
    if not connection.scalar(_HAS_VERSION, {"name": name}):
        return None
    version = connection.scalar(text(f'SELECT version_num FROM "{name}".alembic_version LIMIT 1'))
    said = str(version or "")
    return said.removeprefix(_RENAMED) if said.startswith(_RENAMED) else None


def _is_module(connection: Connection, name: str) -> bool:
    return bool(connection.scalar(_HAS_VERSION, {"name": name}))


def _make_way(connection: Connection, old: str, new: str) -> None:
    """Drop an empty schema, as `app migrate --roles` makes it. Raises MigrationError for any other."""
    if tables := list(connection.scalars(_TABLES, {"name": new})):
        raise MigrationError(
            f"{old} cannot be renamed to {new}: this database has both, and tables in {new} "
            f"({', '.join(tables[:3])}). Find out whose they are; drop the schema {new}, or choose another "
            "name."
        )
    connection.execute(text(f'DROP SCHEMA "{new}" CASCADE'))


def _stand_in(connection: Connection, login: str, old: str, new: str) -> None:
    """Make what the release before finds under the old name."""
    owner, roles = owner_of(login, old), f'"{role_of(login, old)}", "{role_of(login, new)}"'
    connection.execute(text(f'CREATE SCHEMA "{old}" AUTHORIZATION "{owner}"'))
    tables = [t for t in connection.scalars(_TABLES, {"name": new}) if t != "alembic_version"]
    types = list(connection.scalars(_TYPES, {"name": new}))
    _speak_as(connection, owner)
    for table in map(_quoted, tables):
        connection.exec_driver_sql(
            f'CREATE VIEW "{old}".{table} WITH (security_invoker) AS SELECT * FROM "{new}".{table}'
        )
    for name in map(_quoted, types):
        connection.exec_driver_sql(f'CREATE DOMAIN "{old}".{name} AS "{new}".{name}')
    connection.exec_driver_sql(
        f'CREATE TABLE "{old}".alembic_version (version_num text PRIMARY KEY)'
    )
    connection.exec_driver_sql(f"INSERT INTO \"{old}\".alembic_version VALUES ('{_RENAMED}{new}')")
    for what in (
        f'USAGE ON SCHEMA "{old}"',
        f'SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "{old}"',
    ):
        connection.exec_driver_sql(f"GRANT {what} TO {roles}")
    connection.exec_driver_sql(
        f'REVOKE INSERT, UPDATE, DELETE ON "{old}".alembic_version FROM {roles}'
    )
    connection.execute(text("RESET ROLE"))


def _speak_as(connection: Connection, role: str) -> None:
    connection.execute(text(f'SET LOCAL ROLE "{role}"'))


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))
