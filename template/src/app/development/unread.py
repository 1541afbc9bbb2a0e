"""Migrations that nobody has read yet: `app dev` shows them, and lets `app migrate` apply them."""

import os
import re
from collections.abc import Container, Mapping, Sequence
from io import StringIO
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from app.development.git import uncommitted
from app.platform.database import MigrationError, role_of, roles_of
from app.platform.migrations import applied_to, config_of, explained, to_be_done
from app.platform.wiring import ModuleFolder, Move

_PARAMETER = re.compile(r"(?<!%)%\(\w+\)s")


class UnreadMigrationError(MigrationError):
    """Migrations wait; `sql` is what they would send."""

    def __init__(self, sql: Mapping[Path, str]) -> None:
        files = ", ".join(map(os.path.relpath, sql))
        super().__init__(
            f"{files} waits to be read, since it is not committed. `app migrate` applies it."
        )
        self.sql = "\n\n".join(f"-- {file.name}\n{said}" for file, said in sql.items())


async def check_read(
    engine: AsyncEngine, folders: Sequence[ModuleFolder], moves: Sequence[Move] = ()
) -> None:
    """Raise UnreadMigrationError where what is not committed would change a schema: a migration, or
    what `moved.toml` says.

    That of a module which the database has never had changes nothing that is there.
    """
    changed = {each.resolve() for each in uncommitted(each.path / "migrations" for each in folders)}
    await _check_moves(engine, folders, moves)
    concerned = [each for each in folders if any(each.path in file.parents for file in changed)]
    if concerned:
        async with engine.connect() as connection:
            login = roles_of(engine)
            if unread := await connection.run_sync(_pending, login, concerned, changed):
                raise UnreadMigrationError({Path(each.path): _sql_of(each) for each in unread})


async def _check_moves(
    engine: AsyncEngine, folders: Sequence[ModuleFolder], moves: Sequence[Move]
) -> None:
    files = {folder.path.parent / "moved.toml" for folder in folders}
    if moves and (changed := uncommitted(files)):
        async with engine.connect() as connection:
            login = roles_of(engine)
            if unread := await connection.run_sync(to_be_done, login, moves):
                said = "\n".join(f"-- {each}" for each in unread)
                raise UnreadMigrationError(dict.fromkeys(changed, said))


def _pending(
    connection: Connection, login: str, folders: Sequence[ModuleFolder], files: Container[Path]
) -> list[Script]:
    """Return what schemas that have a history have not had of it, of these files, in its order."""
    found: list[Script] = []
    for folder in folders:
        applied = applied_to(connection, role_of(login, folder.name), folder)
        with explained(folder):
            scripts = ScriptDirectory.from_config(config_of(folder))
            every = [*scripts.walk_revisions()]
            if not applied or not applied <= {each.revision for each in every}:
                continue  # It is new, or ahead of the code.
            done = {each.revision for each in scripts.iterate_revisions(tuple(applied), "base")}
        waiting = [each for each in reversed(every) if each.revision not in done]
        found += [each for each in waiting if Path(each.path).resolve() in files]
    return found


def _sql_of(script: Script) -> str:
    """Return what a migration sends, or its source, where only a database can tell."""
    written = StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written}
    )
    try:
        with Operations.context(context):
            script.module.upgrade()
    except Exception:
        return Path(script.path).read_text("utf-8")
    # It leaves the parameters of UPDATE and the like as the driver would have them.
    return _PARAMETER.sub("$1", written.getvalue()).replace("%%", "%").strip()
