"""The history of one schema: which migrations it has had, which the code has, and how it is brought up."""

import logging
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.platform import schemas
from app.platform.database import (
    DatabaseAheadError,
    EXTENSIONS,
    FENCED,
    MigrationError,
    owner_of,
    role_of,
    sqlstate_of,
)
from app.platform.migrations.invalid_indexes import clear_invalid_indexes
from app.platform.migrations.revisions import read_revisions, Revisions

if TYPE_CHECKING:  # Alembic is slow to import, and only `app migrate` needs it.
    from alembic.config import Config
    from alembic.runtime.migration import MigrationInfo

logger = logging.getLogger("app.migrations")

_MAY_SPEAK = text("""SELECT role FROM unnest(CAST(:roles AS text[])) AS role
    WHERE pg_has_role(session_user, to_regrole(quote_ident(role)), 'MEMBER')""")
_CANCELLED, _NEEDED = "57014", "2BP01"


class History(Protocol):
    """A schema of its own and its migrations: a module, or the platform's part."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path:
        """The folder above `migrations`."""

    @property
    def former(self) -> str | None:
        """The name that still stands in for it, if it has another one now."""


@dataclass(frozen=True)
class _Own:
    name: str
    former: str | None = None

    @property
    def path(self) -> Path:
        return Path(__file__).parent / "alembic" / self.name


REQUESTS, QUEUE = _Own(schemas.REQUESTS), _Own(schemas.QUEUE)
STATEMENTS = _Own(schemas.STATEMENTS)


def upgrade(connection: Connection, login: str, history: History, applied: dict[str, None]) -> None:
    """Run the migrations that a schema has not had, as its owner; note which."""
    from alembic import command

    def report(step: "MigrationInfo", **_rest: object) -> None:
        applied[str(step.up_revision_id)] = None

    with as_owner(connection, owner_of(login, history.name)):
        behind = bool(pending(connection, login, [history], owner_of))
        connection.rollback()
        clear_invalid_indexes(connection, history.name, rebuild=behind)
        command.upgrade(config_of(history, connection, on_version_apply=report), "heads")
        connection.execute(
            text(
                f'REVOKE INSERT, UPDATE, DELETE ON "{history.name}".alembic_version '
                f'FROM "{role_of(login, history.name)}"'
            )
        )


def check_not_ahead(connection: Connection, login: str, histories: Sequence[History]) -> None:
    """Change nothing in a database in which a newer version of the code has been."""
    for history in _migrated(connection, histories):
        applied, code = _state(connection, owner_of(login, history.name), history)
        if unknown := applied - code.known:
            raise DatabaseAheadError(
                f"The database is ahead of this code: {history.name} has had the migration "
                f"{', '.join(sorted(unknown))}, which is not in {history.path / 'migrations'}. "
                "Nothing was changed. Migrate with the code that has it; to roll back, start the "
                "older version without migrating. `app db reset` makes a local database anew.",
                history.name,
                sorted(unknown),
            )
    connection.rollback()


def applied_to(connection: Connection, role: str, history: History) -> set[str]:
    """Return the newest migrations that a schema has had, as a role may read it; none where there
    were none."""
    if not _migrated(connection, [history]):
        return set()
    return _state(connection, role, history)[0]


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
        if sqlstate_of(error) == FENCED:
            hint = (
                " Rows come here from the other database, so a migration must not write them while they "
                "do: release it when the data have moved, or run `app carve stop` before it."
            )
        if sqlstate_of(error) == _NEEDED and history.former:
            hint = f" Views stand in for the old name: finish the rename of {history.former} first."
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


def pending(
    connection: Connection,
    login: str,
    histories: Sequence[History],
    reader: Callable[[str, str], str] = role_of,
) -> list[str]:
    """Return the schemas that are older than the code."""
    migrated = _migrated(connection, histories)
    behind = {history.name for history in histories if history not in migrated}
    roles = [reader(login, history.name) for history in migrated]
    allowed = may_speak(connection, *roles)
    for history, role in zip(migrated, roles, strict=True):
        if role not in allowed:
            logger.warning(
                "%s may not speak as %s: set DATABASE_ROLES to the application's login, and let `app "
                "migrate` know of this one, by SERVICE_LOGINS.",
                connection.engine.url.username,
                role,
            )
            behind.add(history.name)
            continue
        applied, code = _state(connection, role, history)
        if applied <= code.known and not applied >= code.heads:
            behind.add(history.name)
    return [history.name for history in histories if history.name in behind]


def may_speak(connection: Connection, *roles: str) -> set[str]:
    """Return those of some roles to which whoever is connected may switch."""
    return set(connection.scalars(_MAY_SPEAK, {"roles": [*roles]}))


def is_current(connection: Connection, login: str, histories: Sequence[History]) -> bool:
    """Say whether the database has had every migration of the code, and none besides."""
    states = [
        _state(connection, role_of(login, history.name), history)
        for history in _migrated(connection, histories)
    ]
    return len(states) == len(histories) and all(
        code.heads <= applied <= code.known for applied, code in states
    )


def _migrated(connection: Connection, histories: Sequence[History]) -> list[History]:
    """Return those of which the database has heard."""
    schemas = text("SELECT schemaname FROM pg_tables WHERE tablename = 'alembic_version'")
    migrated = set(connection.scalars(schemas))
    return [history for history in histories if history.name in migrated]


def _state(connection: Connection, role: str, history: History) -> tuple[set[str], Revisions]:
    """Return the newest migrations that a database has had, and those that the code has."""
    connection.execute(text(f'SET LOCAL ROLE "{role}"'))
    version = text(f'SELECT CAST(version_num AS text) FROM "{history.name}".alembic_version')
    return set(connection.scalars(version)), _of_code(history)


def _of_code(history: History) -> Revisions:
    if (revisions := read_revisions(history.path / "migrations")) is not None:
        return revisions
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(config_of(history))
    known = frozenset(each.revision for each in script.walk_revisions())
    return Revisions(known, frozenset(script.get_heads()))


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
