"""Carries out `moved.toml`: once in each database, in its order, before the modules' own histories.

Each entry is one transaction, which notes that it is done. A rename is done when each of the module's tables
has its new owner, too. An entry that finds nothing to do is done as well: in a new database, say.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.platform import schemas
from app.platform.database import (
    DatabaseAheadError,
    MigrationError,
    owner_of,
    prepare_schema,
    role_of,
    sqlstate_of,
)
from app.platform.migrations.finishing import check_nobody_stays, finish
from app.platform.migrations.histories import check_not_ahead, History, may_speak
from app.platform.migrations.locks import NOT_GIVEN, Patience
from app.platform.migrations.removing import remove
from app.platform.migrations.renaming import rename, stands_in, steps_behind, take_step
from app.platform.migrations.residency import check_at_home
from app.platform.wiring import ModuleFolder, Move, open_renames, parse_moves

_TABLE = f"{schemas.STATEMENTS}.moved"
_IS_THERE = text(
    "SELECT EXISTS (SELECT FROM pg_tables "
    f"WHERE schemaname = '{schemas.STATEMENTS}' AND tablename = 'moved')"
)
_CREATE = f"""CREATE TABLE IF NOT EXISTS {_TABLE} (
    entry text PRIMARY KEY, kind text NOT NULL, name text NOT NULL,
    done_at timestamptz NOT NULL DEFAULT clock_timestamp()
)"""
_NOTE = text(f"INSERT INTO {_TABLE} (entry, kind, name) VALUES (:entry, :kind, :name)")
_ENTRIES = text(f"SELECT entry FROM {_TABLE}")
_GONE = text(f"SELECT entry, name FROM {_TABLE} WHERE kind IN ('finish', 'remove')")
_DONE_AT = text(f"SELECT done_at FROM {_TABLE} WHERE entry = :entry")
_MODULES = text("""SELECT nspname FROM pg_namespace JOIN pg_tables ON schemaname = nspname
    WHERE tablename = 'alembic_version'
        AND nspowner = to_regrole(quote_ident(:login || '__' || nspname || '__owner'))""")


async def carry_out(
    patience: Patience,
    connection: AsyncConnection,
    login: str,
    moves: Sequence[Move],
    folders: Sequence[ModuleFolder],
) -> list[str]:
    """Do what a database has not had of the moves; return what changed it.

    Raises DatabaseAheadError where it has had others, and MigrationError where one cannot be done.
    """
    applied: list[str] = []
    async with patience.watched():
        pending = await connection.run_sync(_prepare, login, moves, folders)
    for move in pending:
        if move.kind == "finish":
            async with patience.watched():
                renamed = _renamed_by(moves, move)
                since = await connection.scalar(_DONE_AT, {"entry": str(renamed)})
                await connection.run_sync(check_nobody_stays, login, renamed, since)
        do = partial(connection.run_sync, _do, login, moves, move)
        applied += [done] if (done := await patience.attempt(str(move), do)) else []
        if move.kind == "rename":
            async with patience.watched():
                steps = await connection.run_sync(steps_behind, login, move)
            for step in steps:
                take = partial(connection.run_sync, take_step, step)
                await patience.attempt(str(move), take)
            await connection.run_sync(_note, move)
            await connection.commit()
    return applied


def check_known(connection: Connection, login: str, moves: Sequence[Move]) -> None:
    """Raise DatabaseAheadError where a database has had moves that the code does not know, and
    MigrationError where the code says the same of another day."""
    known = set(map(str, moves))
    done = _entries(connection, owner_of(login, schemas.STATEMENTS))
    if unknown := sorted(done - known):
        said = unknown[0].rpartition(",")[0]
        if again := [each for each in known - done if each.rpartition(",")[0] == said]:
            raise MigrationError(
                f"moved.toml beside the modules says `{again[0]}`, but this database has had "
                f"`{unknown[0]}`. Nothing was changed. If that was written anew after it had been taken "
                "back, give the entry the day that it had."
            )
        raise DatabaseAheadError(
            f"The database is ahead of this code: it has had `{unknown[0]}`, which moved.toml beside "
            "the modules does not say. Nothing was changed. Migrate with the code that has it; to roll "
            "back, start the older version without migrating. `app db reset` makes a local database "
            "anew.",
            unknown[0].split()[1].rstrip(","),
            [],
        )
    connection.rollback()


def are_done(connection: Connection, login: str, moves: Sequence[Move]) -> bool:
    """Say whether a database has had these moves, and no others; asked as the application's login."""
    return _entries(connection, role_of(login, schemas.STATEMENTS)) == set(map(str, moves))


def to_be_done(connection: Connection, login: str, moves: Sequence[Move]) -> list[Move]:
    """Return the moves that would change what a database has; asked as the application's login."""
    modules = set(connection.scalars(_MODULES, {"login": login}))
    done = _entries(connection, role_of(login, schemas.STATEMENTS))
    return [move for move in moves if str(move) not in done and move.name in modules]


def gone_from(connection: Connection, login: str, folder: Path) -> set[str]:
    """Return the modules that a later version of the code than that in a folder has removed or renamed."""
    role = role_of(login, schemas.STATEMENTS)
    if not connection.scalar(_IS_THERE) or not may_speak(connection, role):
        return set()
    connection.execute(text(f'SET LOCAL ROLE "{role}"'))
    known = set(map(str, parse_moves(folder)))
    return {row.name for row in connection.execute(_GONE) if row.entry not in known}


def prepare_stand_ins(connection: Connection, login: str, moves: Sequence[Move]) -> None:
    """Create the schemas and roles of names that still stand in for others, for `pg_restore`."""
    for move in open_renames(moves).values():
        prepare_schema(connection, login, move.name)


def _entries(connection: Connection, role: str) -> set[str]:
    if not connection.scalar(_IS_THERE):
        return set()
    connection.execute(text(f'SET LOCAL ROLE "{role}"'))
    found = set(connection.scalars(_ENTRIES))
    connection.execute(text("RESET ROLE"))
    return found


def _prepare(
    connection: Connection, login: str, moves: Sequence[Move], folders: Sequence[ModuleFolder]
) -> list[Move]:
    """Make the table in which is noted what is done; return what is to be done.

    Raises before anything changes where the database, or the code, is not what the moves expect.
    """
    owner = prepare_schema(connection, login, schemas.STATEMENTS)
    connection.execute(text(f'SET LOCAL ROLE "{owner}"'))
    connection.exec_driver_sql(_CREATE)
    role = role_of(login, schemas.STATEMENTS)
    connection.execute(text(f'REVOKE INSERT, UPDATE, DELETE ON {_TABLE} FROM "{role}"'))
    connection.commit()
    done = _entries(connection, owner)
    pending = [move for move in moves if str(move) not in done]
    modules = set(connection.scalars(_MODULES, {"login": login}))
    names = {folder.name: folder for folder in folders}
    called: dict[str, str] = {}
    """What the database calls a module that is to be renamed."""
    for move in pending:
        if move.kind != "finish":
            check_at_home(connection, move)
        if move.kind == "remove" and move.name in modules and move.name in names:
            raise MigrationError(
                f"moved.toml removes {move.name}, of which this database has data, but "
                f"{names[move.name].path} is there. Delete the folder. If "
                "that is a new module of the same name, migrate this database first with a release "
                "in which there was none."
            )
        if move.kind == "rename":
            _check_spelling(move, modules, names)
            called[move.to] = called.pop(move.name, move.name)
    renamed: list[History] = [
        replace(names[new], name=old)
        for new, old in called.items()
        if new in names and not stands_in(connection, old)
    ]
    connection.rollback()
    check_not_ahead(connection, login, renamed)
    return pending


def _check_spelling(move: Move, modules: Collection[str], names: Collection[str]) -> None:
    """Refuse a rename of nothing where something of a similar name would be left behind."""
    if move.name in modules or move.to in modules:
        return
    left = [each for each in modules if each not in names and each not in vars(schemas).values()]
    if similar := get_close_matches(move.name, left, 1):
        raise MigrationError(
            f"moved.toml renames {move.name}, which this database does not have. It has {similar[0]}, "
            f"which the code has not: correct `rename = {move.name!r}`."
        )


def _note(connection: Connection, move: Move) -> None:
    connection.execute(_NOTE, {"entry": str(move), "kind": move.kind, "name": move.name})


def _renamed_by(moves: Sequence[Move], finished: Move) -> Move:
    before = moves[: moves.index(finished)]
    return [each for each in before if (each.kind, each.name) == ("rename", finished.name)][-1]


def _do(connection: Connection, login: str, moves: Sequence[Move], move: Move) -> str | None:
    """Do one and note it, or nothing; return what is to be told."""
    try:
        if move.kind == "rename":
            done = rename(connection, login, move)
        elif move.kind == "finish":
            done = finish(connection, login, _renamed_by(moves, move))
        else:
            done = remove(connection, login, move)
        if move.kind != "rename":  # That is done when all has the new owner.
            _note(connection, move)
        connection.commit()
    except DBAPIError as error:
        if sqlstate_of(error) in NOT_GIVEN:
            raise
        connection.rollback()
        raise MigrationError(
            f"`{move}` of moved.toml failed and was undone: {error.orig} in: {error.statement}. Mend "
            "what it names, and run `app migrate` again."
        ) from error
    except MigrationError:
        connection.rollback()
        raise
    return f"{move}{done}" if done is not None else None
