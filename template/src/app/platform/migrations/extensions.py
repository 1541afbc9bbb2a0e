"""Extensions of Postgres, for the modules that name them under `extensions` in their module.toml.

All stand in the one schema in which names without a schema are looked up.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.platform.database import EXTENSIONS, MigrationError, refused, sqlstate_of
from app.platform.wiring import ModuleFolder

_NOT_ALLOWED = "42501"
_STANDS_IN = text("SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = :name")
_IS_AVAILABLE = text("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = :name)")
_IS_OPEN = text(
    "SELECT has_schema_privilege('public', oid, 'USAGE') FROM pg_namespace WHERE nspname = :name"
)


def install_extensions(connection: Connection, folders: Sequence[ModuleFolder]) -> None:
    """Create what modules ask for and the database lacks. What nobody asks for any more stays.

    Raises MigrationError where the server does not bring an extension, the admin may not create it,
    or it stands in another schema.
    """
    wanted: dict[str, list[str]] = {}
    for folder in folders:
        for name in folder.extensions:
            wanted.setdefault(name, []).append(folder.name)
    if wanted:
        _prepare(connection)
    for name, modules in wanted.items():
        who = f"{', '.join(modules)} (module.toml)"
        try:
            _install(connection, name, who)
            connection.commit()
        except DBAPIError as error:
            connection.rollback()
            if sqlstate_of(error) != _NOT_ALLOWED:
                raise refused(f"the extension {name} for {who}", error) from error
            raise MigrationError(
                f"{who} needs the extension {name}, which the admin of MIGRATION_DATABASE_URL may "
                "not create. Let somebody who may do so, in this database: "
                f'CREATE EXTENSION "{name}" SCHEMA {EXTENSIONS} CASCADE;'
            ) from error


def _prepare(connection: Connection) -> None:
    """Make the schema where it is missing, and let everybody look into it."""
    try:
        is_open = connection.scalar(_IS_OPEN, {"name": EXTENSIONS})
        if is_open is None:
            connection.execute(text(f"CREATE SCHEMA {EXTENSIONS}"))
        if not is_open:
            connection.execute(text(f"GRANT USAGE ON SCHEMA {EXTENSIONS} TO PUBLIC"))
        connection.commit()
    except DBAPIError as error:
        connection.rollback()
        raise refused(f"the schema {EXTENSIONS}", error) from error


def _install(connection: Connection, name: str, who: str) -> None:
    schema = connection.scalar(_STANDS_IN, {"name": name})
    if schema in (EXTENSIONS, "pg_catalog"):
        return
    if schema is not None:
        raise MigrationError(
            f"{who} needs the extension {name}, which stands in the schema {schema}, where modules "
            "do not look. Drop it, if nothing uses it there, or let a superuser move it: "
            f'ALTER EXTENSION "{name}" SET SCHEMA {EXTENSIONS};'
        )
    if not connection.scalar(_IS_AVAILABLE, {"name": name}):
        raise MigrationError(
            f"{who} needs the extension {name}, which this Postgres server does not bring: install "
            "it there, or use another server (docs/postgres.md#extensions)."
        )
    connection.execute(text(f'CREATE EXTENSION "{name}" SCHEMA {EXTENSIONS} CASCADE'))
