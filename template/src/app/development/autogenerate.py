"""Migrations written from the difference between what a module's migrations make and its tables.

Both are made on a real database, and read from its catalogs: `schema_reading` says what of them.
"""

import re
from ast import literal_eval
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.development.database import create_login, with_database
from app.development.migration_files import as_literal, write
from app.development.migration_step import Migration, Step
from app.development.schema_changes import Changes
from app.development.schema_differences import differences, remedy, renamed
from app.development.schema_making import read_tables, settle
from app.development.schema_reading import Key, read_schema, Schema
from app.platform.database import MigrationError, owner_of
from app.platform.migrations import admin_connection, as_owner, migrate
from app.platform.wiring import ModuleFolder

_LOGIN = "app_test"
"""Whose roles stand on the server beside those of an application: the tests' own."""
_ROUNDS = 3
"""What goes with a column that is made anew, is made anew in the next round."""


@dataclass
class Written:
    """What `make_migration` has done."""

    files: list[Path] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """What differs and has to be written by hand, in sentences."""
    doubts: list[str] = field(default_factory=list)
    """What may be meant otherwise, in sentences."""


async def make_migration(
    admin_url: str,
    folders: Sequence[ModuleFolder],
    folder: ModuleFolder,
    message: str,
    *,
    by_hand: bool = False,
) -> Written:
    """Write what makes of a module's schema what its tables say: one migration, or two.

    What reads whole tables comes second, outside of a transaction. All of it is tried before, on a
    database of its own, for which the admin needs the right to create databases.
    With `by_hand` it writes what it can, were it nothing, and returns what is left to do.
    Raises MigrationError where there is no difference, one for which it knows no statement, or the
    message cannot stand in a file.
    """
    if not message.isprintable() or set(message) & set('"\\'):
        raise MigrationError("Write the message without quotation marks, backslashes, line breaks.")
    if not re.search(r"\w", message):
        raise MigrationError(
            "The message is empty. Say what the migration does, which names its file: "
            f'app make-migration {folder.name} "add a due date"'
        )
    async with _scratch(admin_url) as url:
        await migrate(url, _LOGIN, folders)
        async with admin_connection(url) as connection:
            migrations, left, doubts = await connection.run_sync(_plan, folder)
    if left and not by_hand:
        raise MigrationError(
            "\n".join(left) + "\nNothing was written. To write that by hand, "
            f'`app make-migration {folder.name} "{message}" --by-hand` makes a file with the rest.'
        )
    if not migrations and not by_hand:
        raise MigrationError(f"{folder.name}/tables.py and its migrations agree: nothing to write.")
    files = write(folder, message, migrations or [Migration(Step(), Step())])
    return Written(files, left, doubts)


async def missing_migrations(
    admin_url: str, login: str, folders: Sequence[ModuleFolder]
) -> dict[str, list[str]]:
    """Return, by module, in sentences, how its migrations and its tables differ.

    The database must be up to date, and stays as it is.
    """
    async with admin_connection(admin_url) as connection:
        return await connection.run_sync(_missing, login, folders)


def _missing(
    connection: Connection, login: str, folders: Sequence[ModuleFolder]
) -> dict[str, list[str]]:
    missing = {}
    for folder in folders:
        owner = owner_of(login, folder.name)
        present = _read(connection, folder)
        wanted = read_tables(connection, folder, owner)
        if differences(present, wanted):
            present, wanted = (
                settle(connection, each, folder.name, owner) for each in (present, wanted)
            )
        if found := differences(present, wanted):
            missing[folder.name] = list(found.values())
    return missing


def _read(connection: Connection, folder: ModuleFolder) -> Schema:
    try:
        return read_schema(connection, folder.name)
    finally:
        connection.rollback()


@asynccontextmanager
async def _scratch(admin_url: str) -> AsyncIterator[str]:
    """Create a database for as long as the block lasts, and yield the admin's URL of it."""
    name = f"make_migration_{uuid4().hex}"
    await create_login(admin_url, _LOGIN)
    async with admin_connection(admin_url) as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            await connection.execute(text(f"CREATE DATABASE {name}"))
        except DBAPIError as error:
            raise MigrationError(
                f"A migration is tried on a database of its own, which Postgres refused: "
                f"{error.orig}. Give the admin CREATEDB, or unset DATABASE_URL: the local server's "
                "has it."
            ) from error
        try:
            yield with_database(admin_url, name)
        finally:
            await connection.execute(text(f"DROP DATABASE {name}"))


def _plan(
    connection: Connection, folder: ModuleFolder
) -> tuple[list[Migration], list[str], list[str]]:
    """Make what the tables say; return how, what could not be made, and what may be a new name."""
    owner = owner_of(_LOGIN, folder.name)

    def read() -> Schema:
        return settle(connection, _read(connection, folder), folder.name, owner)

    wanted = settle(connection, read_tables(connection, folder, owner), folder.name, owner)
    state = read()
    doubts = renamed(state, wanted)
    migrations: list[Migration] = []
    refused: dict[object, list[str]] = {}
    for part in (Changes.structure, Changes.rules) * 2:  # A key may refer to what the rules made.
        before, up = state, Step()
        refused[part] = []
        for _ in range(_ROUNDS):
            step = part(Changes(folder.name, state, wanted))
            done = _try(connection, owner, step, refused[part])
            if not done:
                break
            up.beside += done.beside
            up.looks += done.looks
            up.within += done.within
            up.allowed |= step.allowed
            state = read()
        if up:
            down = Changes(folder.name, state, before, careful=False).at_once()
            up.doubts = [] if migrations else doubts
            migrations.append(Migration(up, down))
    left = differences(state, wanted)
    return migrations, [*_explained(left, state, wanted), *chain(*refused.values())], doubts


def _try(connection: Connection, owner: str, step: Step, refused: list[str]) -> Step:
    """Do what a migration would do, each statement by itself; return what Postgres took.

    A statement is run as it is read from the file.
    """
    done = Step()
    with as_owner(connection, owner):
        connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            for part in ("beside", "looks", "within"):
                for statement in getattr(step, part):
                    try:
                        connection.execute(text(literal_eval(as_literal(statement))))
                    except DBAPIError as error:
                        why = f"Postgres refuses `{statement}`: {error.orig}."
                        refused += [] if why in refused else [why]
                    else:
                        getattr(done, part).append(statement)
        finally:
            connection.rollback()
            connection.execution_options(isolation_level=connection.default_isolation_level)
    return done


def _explained(left: dict[Key, str], state: Schema, wanted: Schema) -> list[str]:
    return [
        f"{sentence} {remedy(state.get(key), wanted.get(key))}" for key, sentence in left.items()
    ]
