"""`app migrate --undo`: takes back a migration that is nobody's but yours."""

from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

from app.development.git import branches_with, is_merged
from app.platform.database import DatabaseAheadError, MigrationError, owner_of
from app.platform.migrations import (
    admin_connection,
    applied_to,
    as_owner,
    check_not_ahead,
    config_of,
    explained,
)
from app.platform.wiring import ModuleFolder, parse_moves


async def undo(
    admin_url: str, login: str, folders: Sequence[ModuleFolder], module: str | None
) -> tuple[ModuleFolder, Path]:
    """Take back the newest migration of a module, or of the one that has any to take back; return
    whose it was, and its file.

    Raises MigrationError where others may have it already, or it cannot be told which one is meant.
    """
    chosen = [each for each in folders if module in (None, each.name)]
    if not chosen:
        raise MigrationError(f"There is no module {module}. `app modules` lists them.")
    async with admin_connection(admin_url) as connection:
        await connection.run_sync(check_not_ahead, login, chosen)
        newest = await connection.run_sync(_newest, login, chosen)
        own = {name: script for name, script in newest.items() if not _is_merged(name, script)}
        if len(own) != 1:
            raise MigrationError(_which(module, newest, list(own)))
        [(name, script)] = own.items()
        folder = next(each for each in chosen if each.name == name)
        with explained(folder):
            await connection.run_sync(_downgrade, login, folder, script)
    return folder, Path(script.path)


def whereabouts(error: DatabaseAheadError, folders: Sequence[ModuleFolder]) -> DatabaseAheadError:
    """Say as well on which branch those migrations are that a database has had and the code has not."""
    folder = next((each for each in folders if each.name == error.module), None)
    for revision in error.revisions if folder else ():
        assert folder is not None
        if branches := branches_with(revision, folder.path / "migrations"):
            return DatabaseAheadError(
                f"{error} {revision} is on the branch {branches[0]}: there, `app migrate --undo` "
                "takes it back.",
                error.module,
                error.revisions,
            )
    return error


def _is_merged(module: str, script: Script) -> bool:
    """Say whether a migration is merged, perhaps in the folder that its module had before."""
    file = Path(script.path)
    modules = file.parents[2]
    for move in reversed(parse_moves(modules)):
        if is_merged(modules / module / "migrations" / file.name):
            return True
        if (move.kind, move.to) == ("rename", module):
            module = move.name
    return is_merged(modules / module / "migrations" / file.name)


def _newest(
    connection: Connection, login: str, folders: Sequence[ModuleFolder]
) -> dict[str, Script]:
    """Return the last migration that each schema has had; of several at the end, the last written."""
    newest = {}
    for folder in folders:
        applied = applied_to(connection, owner_of(login, folder.name), folder)
        scripts = ScriptDirectory.from_config(config_of(folder))
        if applied and (script := scripts.get_revision(max(applied))):
            newest[folder.name] = script
    connection.rollback()
    return newest


def _downgrade(connection: Connection, login: str, folder: ModuleFolder, script: Script) -> None:
    if not callable(getattr(script.module, "downgrade", None)):
        raise MigrationError(f"{script.path} has no `downgrade`. Write it, or run `app db reset`.")
    with as_owner(connection, owner_of(login, folder.name)):
        command.downgrade(config_of(folder, connection), f"{script.revision}@-1")


def _which(module: str | None, newest: dict[str, Script], own: list[str]) -> str:
    if own:
        return f"There is something to undo in {', '.join(own)}: say in which, with --module."
    if module is None or module not in newest:
        return "There is nothing to undo: no migration has been applied that is not merged."
    return (
        f"{Path(newest[module].path).name} of {module} is merged: others may have run it. Write a "
        "new migration that takes back what it did: app make-migration."
    )
