"""Renames a module's schema, and lets the release before go on under the old name.

Schema and history move to new roles. The old roles stay: other databases of the server may need them, and
transactions that run have switched to them. A schema of the old name holds a view of each table. All of that
waits for nobody but those who enqueue jobs at this moment. Then tables get their new owner, one at a
time: that takes a lock, and who waits for one has no other.
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
from app.platform.migrations.services import services_of
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
_OWNED = text(
    """SELECT replace(type, 'statistics object', 'statistics') || ' ' || identity
    FROM pg_shdepend AS owned, pg_identify_object(classid, objid, 0)
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND deptype = 'o'
        AND refclassid = 'pg_authid'::regclass AND refobjid = to_regrole(quote_ident(:owner))
        AND schema = quote_ident(:schema) AND type <> 'default acl'
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = owned.classid AND objid = owned.objid
            AND deptype IN ('a', 'i') AND refclassid = 'pg_class'::regclass AND refobjsubid > 0)
    ORDER BY type <> 'table', identity"""
)
_INDEXES = text(
    """SELECT indexname FROM pg_indexes
    WHERE schemaname = :new AND starts_with(indexname, 'ix_' || :old || '_' || tablename || '_')"""
)
_RENAMED = "renamed to "
"""Stands where the old release looks for its migrations: to it, the database is ahead of its code."""


def rename(connection: Connection, login: str, move: Move) -> str | None:
    """Rename a module's schema, in the transaction that is open; return None where there is nothing to
    rename."""
    old, new = move.name, move.to
    if not connection.scalar(_HAS_VERSION, {"name": old}):
        return None
    if stands_in(connection, old) == new:  # A run that was killed had come so far, or a backup.
        return ""
    speak_old_names(connection, login, old, new)
    if connection.scalar(_IS_SCHEMA, {"name": new}):
        _make_way(connection, old, new)
    owner, (new_role, new_owner) = owner_of(login, old), make_roles(connection, login, new)
    for service in services_of(connection, login, old):
        grant(connection, new_role, service)
    connection.execute(text(f'ALTER SCHEMA "{old}" RENAME TO "{new}"'))
    connection.execute(text(f'ALTER SCHEMA "{new}" OWNER TO "{new_owner}"'))
    _speak_as(connection, new_owner)
    let_use(connection, new, new_role)
    # Foreign keys are checked as the owner of the table, who is the old one for a moment.
    connection.execute(text(f'GRANT USAGE ON SCHEMA "{new}" TO "{owner}"'))
    _speak_as(connection, owner)
    for what in ("SELECT, INSERT, UPDATE, DELETE ON ALL TABLES", "USAGE, SELECT ON ALL SEQUENCES"):
        connection.execute(text(f'GRANT {what} IN SCHEMA "{new}" TO "{new_role}"'))
    connection.execute(text("RESET ROLE"))
    _stand_in(connection, login, old, new)
    return ""


def steps_behind(connection: Connection, login: str, move: Move) -> list[str]:
    """Return the statements that are left to do, each in a transaction of its own: what the old owner has is
    the new one's, tables first, which take along what is theirs; and indexes have the names that the
    convention for names gives them in the new schema."""
    names = {"owner": owner_of(login, move.name), "schema": move.to}
    owner = owner_of(login, move.to)
    steps = [f'ALTER {each} OWNER TO "{owner}"' for each in connection.scalars(_OWNED, names)]
    for index in connection.scalars(_INDEXES, {"old": move.name, "new": move.to}):
        now = index.replace(f"ix_{move.name}_", f"ix_{move.to}_", 1)
        steps.append(f'ALTER INDEX "{move.to}".{_quoted(index)} RENAME TO {_quoted(now)}')
    connection.rollback()
    return steps


def take_step(connection: Connection, step: str) -> None:
    """Execute one of them."""
    connection.exec_driver_sql(step)
    connection.commit()


def stands_in(connection: Connection, name: str) -> str | None:
    """Return the module that a name stands in for, if it does."""
    if not connection.scalar(_HAS_VERSION, {"name": name}):
        return None
    # A text before it is renamed as well: what is prepared keeps its type.
    asked = f'SELECT CAST(version_num AS text) FROM "{name}".alembic_version LIMIT 1'
    version = connection.scalar(text(asked))
    said = str(version or "")
    return said.removeprefix(_RENAMED) if said.startswith(_RENAMED) else None


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
