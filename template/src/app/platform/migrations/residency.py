"""Which modules live in a database: all, but for one whose data have moved; in that one's own, it alone.

See `database/gates.py`. While a gate is closed, a table that a migration makes gets the fence as well.
"""

import logging
from collections.abc import Sequence

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.platform.database import (
    fence,
    Gate,
    grant,
    INSTALL,
    MigrationError,
    refused,
    role_of,
)
from app.platform.migrations.services import OF_ALL
from app.platform.wiring import ModuleFolder, Move

logger = logging.getLogger("app.migrations")

_HAS_GATES = text("SELECT to_regclass('carving.gates') IS NOT NULL")
_GATES = text("SELECT module, state, is_own FROM carving.gates")
_CREATE_GATE = text(
    f"""INSERT INTO carving.gates (module, state, is_own) VALUES (:module, '{Gate.CLOSED}', true)
    ON CONFLICT DO NOTHING"""
)
_MOVES = text(
    f"""SELECT EXISTS (SELECT FROM carving.gates
        WHERE module = :name AND (is_own OR state <> '{Gate.OPEN}'))
    OR EXISTS (SELECT FROM pg_publication WHERE pubname = 'carving_' || :name)"""
)
_IS_ROLE = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :name)")


def residents(
    connection: Connection, folders: Sequence[ModuleFolder], *, open_to_all: bool = False
) -> list[ModuleFolder]:
    """Return those of some modules whose tables a database has, or is to have; perhaps only those whose
    roles may read them there."""
    gates = _gates(connection)
    owns = {module for module, (_, is_own) in gates.items() if is_own}
    left_out = (Gate.AWAY, Gate.CLOSED) if open_to_all else (Gate.AWAY,)
    away = {module for module, (state, _) in gates.items() if state in left_out}
    return [each for each in folders if each.name not in away and (not owns or each.name in owns)]


def check_residents(
    connection: Connection, folders: Sequence[ModuleFolder], own: str | None
) -> None:
    """Raise MigrationError where a database is the own one of another module, or of none."""
    owns = {module for module, (_, is_own) in _gates(connection).items() if is_own}
    connection.rollback()
    if own is None and owns:
        raise MigrationError(
            f"This database is the own one of {', '.join(sorted(owns))}: `app migrate --own` migrates "
            "it. MIGRATION_DATABASE_URL, or DATABASE_URL, is to name the main one."
        )
    if own is None:
        return
    if own not in {each.name for each in folders}:
        raise MigrationError(f"MODULES names {own}, which is no module. `app modules` lists them.")
    if others := sorted(owns - {own}):
        raise MigrationError(
            f"OWN_MIGRATION_DATABASE_URL names the own database of {', '.join(others)}: give {own} one "
            "of its own."
        )
    if own not in owns and _is_main(connection):
        raise MigrationError(
            "OWN_MIGRATION_DATABASE_URL names a database in which all modules live: it must be another "
            "one than MIGRATION_DATABASE_URL."
        )


def check_at_home(connection: Connection, move: Move) -> None:
    """Raise MigrationError where a module is to be renamed or removed whose data are elsewhere, or leave:
    gates, streams and locks have its name."""
    if connection.scalar(_HAS_GATES) and connection.scalar(_MOVES, {"name": move.name}):
        raise MigrationError(
            f"moved.toml {move.kind}s {move.name}, whose data are in a database of its own, or on their "
            f"way: take them home first, as docs/carving-data.md says. Nothing was changed. "
            f"`app carve status {move.name}` says where they are."
        )


def make_own(connection: Connection, login: str, module: str) -> None:
    """Make what a module's own database needs before anything else: its gate, closed, and the login by
    which roles are named, where only the main server has that."""
    try:
        if not connection.scalar(_IS_ROLE, {"name": login}):
            connection.execute(text(f'CREATE ROLE "{login}" NOLOGIN NOINHERIT'))
            logger.info(
                "Created the role %s, by which others are named; nobody logs in as it.", login
            )
        connection.exec_driver_sql(INSTALL)
        connection.execute(_CREATE_GATE, {"module": module})
        connection.commit()
    except DBAPIError as error:
        connection.rollback()
        raise refused("the module's own database", error) from error


def let_service_speak(connection: Connection, login: str, module: str, service: str) -> None:
    """Let a service's login speak as its module, and as what each process needs, in its own database."""
    for name in (module, *OF_ALL):
        if connection.scalar(_IS_ROLE, {"name": role_of(login, name)}):
            grant(connection, role_of(login, name), service)
    connection.commit()


def put_fences(connection: Connection) -> None:
    """Put the fence on new tables of modules whose gate is closed."""
    for module, (state, _) in _gates(connection).items():
        if state == Gate.CLOSED:
            connection.exec_driver_sql(fence(module))
    connection.commit()


def _gates(connection: Connection) -> dict[str, tuple[str, bool]]:
    if not connection.scalar(_HAS_GATES):
        return {}
    return {row.module: (row.state, row.is_own) for row in connection.execute(_GATES)}


def _is_main(connection: Connection) -> bool:
    found = connection.scalar(
        text(
            """SELECT count(*) FROM pg_tables WHERE tablename = 'alembic_version'
            AND schemaname NOT IN ('requests', 'queue', 'platform')"""
        )
    )
    connection.rollback()
    return bool(found)
