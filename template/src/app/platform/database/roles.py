"""One schema and two roles per module.

`<login>__<module>` is what the module's statements run as: it reads and writes the module's tables.
`<login>__<module>__owner` owns the schema, and only migrations use it. The login is the application's:
a service that has one of its own speaks as the same roles (DATABASE_ROLES).
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

Done = TypeVar("Done")

EXTENSIONS = "extensions"
"""The schema of Postgres's extensions: where names without a schema are looked up."""
ROLES = "roles"
"""The engine's option that says whose roles its statements run as."""
_LONGEST_NAME = 63
"""Postgres cuts longer names off without an error (NAMEDATALEN - 1)."""

_ATTEMPTS = 5
_SAME_ROLE = {"23505", "42710", "XX000"}
"""What Postgres says when two sessions create or grant the same role at once."""


class MigrationError(Exception):
    """The database is not fit to be migrated. The message says what to change."""


class DatabaseAheadError(MigrationError):
    """A newer version of the code has migrated the database: a module has had migrations that the
    code lacks."""

    def __init__(self, message: str, module: str, revisions: Sequence[str]) -> None:
        super().__init__(message)
        self.module, self.revisions = module, revisions


def roles_of(engine: AsyncEngine | Engine) -> str:
    """Return the login whose roles an engine's statements run as: its own, by default."""
    roles: str = engine.get_execution_options().get(ROLES) or engine.url.username or ""
    return roles


def role_of(login: str, module: str) -> str:
    """Return the role a module's statements run as: by the login's name in front, two applications on
    one server do not share it."""
    return f"{login}__{module}"


def owner_of(login: str, module: str) -> str:
    """Return the role that owns a module's schema."""
    return f"{role_of(login, module)}__owner"


def check_login(
    connection: Connection, login: str, setting: str = "DATABASE_URL, or of DATABASE_ROLES,"
) -> None:
    """Raise MigrationError unless a login that a setting names exists and inherits nothing.

    PostgreSQL 16 keeps inheritance with each grant; before, it is a property of the login.
    """
    inherits = connection.scalar(
        text("SELECT rolinherit FROM pg_roles WHERE rolname = :login"), {"login": login}
    )
    if inherits is None:
        raise MigrationError(
            f'The login "{login}" of {setting} does not exist. Create it as an admin: '
            f"CREATE ROLE \"{login}\" LOGIN NOINHERIT PASSWORD '…';"
        )
    if inherits and not _grants_have_options(connection):
        raise MigrationError(
            f'The login "{login}" would inherit the rights of every module. Change it as an '
            f'admin: ALTER ROLE "{login}" NOINHERIT;'
        )


def prepare_schema(connection: Connection, login: str, module: str) -> str:
    """Create a module's schema and roles where they are missing; return the owner's name.

    Roles belong to the server: another migration may create them at the same moment.
    """
    what = f"schema and roles of {module}"
    return repeated(connection, what, lambda: _prepare_schema(connection, login, module))


def repeated(connection: Connection, what: str, work: Callable[[], Done]) -> Done:
    """Do what is one transaction again where others do the same with a role at the same moment.

    Raises MigrationError for what Postgres refuses.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return work()
        except DBAPIError as error:
            connection.rollback()
            if attempt < _ATTEMPTS and getattr(error.orig, "sqlstate", None) in _SAME_ROLE:
                continue
            raise refused(what, error) from error
    raise AssertionError


def refused(what: str, error: DBAPIError) -> MigrationError:
    """Return what to raise where the admin may not prepare something."""
    return MigrationError(
        f"Postgres refused to prepare {what}: {error.orig}. The admin needs CREATEROLE, CREATE on "
        "the database, and to have created the modules' roles."
    )


def make_roles(connection: Connection, login: str, module: str) -> tuple[str, str]:
    """Create a module's roles where they are missing; return their names, the owner's last."""
    role, owner = role_of(login, module), owner_of(login, module)
    if len(owner.encode()) > _LONGEST_NAME:
        raise MigrationError(
            f"The role name {owner} has more than {_LONGEST_NAME} bytes: shorten the name of the "
            "login or of the module."
        )
    for name in (role, owner):
        if not _exists(connection, "pg_roles WHERE rolname = :name", name=name):
            connection.execute(text(f'CREATE ROLE "{name}" NOLOGIN'))
    admin = str(connection.scalar(text("SELECT current_user")))
    grant(connection, role, login)
    # The admin reads and restores what it owns through others: `pg_dump` runs under no other role.
    grant(connection, owner, admin, inherit=admin != login)
    return role, owner


def let_use(connection: Connection, schema: str, role: str) -> None:
    """Let a role read and write what stands in a schema of the current role's, or will."""
    connection.execute(text(f'GRANT USAGE ON SCHEMA "{schema}" TO "{role}"'))
    default = f'ALTER DEFAULT PRIVILEGES IN SCHEMA "{schema}" GRANT'
    connection.execute(text(f'{default} SELECT, INSERT, UPDATE, DELETE ON TABLES TO "{role}"'))
    connection.execute(text(f'{default} USAGE, SELECT ON SEQUENCES TO "{role}"'))


def _prepare_schema(connection: Connection, login: str, module: str) -> str:
    role, owner = make_roles(connection, login, module)
    schema_owner = connection.scalar(
        text("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = :name"),
        {"name": module},
    )
    if schema_owner is None:
        connection.execute(text(f'CREATE SCHEMA "{module}" AUTHORIZATION "{owner}"'))
        connection.execute(text(f'SET LOCAL ROLE "{owner}"'))
        let_use(connection, module, role)
        connection.execute(text("RESET ROLE"))
    elif schema_owner.strip('"') != owner:
        raise MigrationError(
            f"The schema {module} belongs to {schema_owner}, not to {owner}: was this database "
            "migrated for another login? Use that login in DATABASE_URL, or another database."
        )
    connection.commit()
    return owner


def grant(connection: Connection, role: str, member: str, *, inherit: bool = False) -> None:
    """Let `member` switch to `role`; without inheriting its rights, unless they are to be inherited.

    Before PostgreSQL 16, that is a property of the member.
    """
    options = _grants_have_options(connection)
    granted = "pg_auth_members WHERE roleid = to_regrole(:role) AND member = to_regrole(:member)"
    usable = granted + (" AND set_option" if options else "")
    if role == member or _exists(connection, usable, role=f'"{role}"', member=f'"{member}"'):
        return
    how = f" WITH INHERIT {inherit}, SET TRUE" if options else ""
    connection.execute(text(f'GRANT "{role}" TO "{member}"{how}'))


def _grants_have_options(connection: Connection) -> bool:
    version = connection.dialect.server_version_info
    return version is not None and version >= (16,)


def _exists(connection: Connection, what: str, **values: str) -> bool:
    return bool(connection.scalar(text(f"SELECT EXISTS (SELECT FROM {what})"), values))
