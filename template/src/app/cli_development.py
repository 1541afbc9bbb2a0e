"""What the command `app` can do where the package `app.development` is there: not in production."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from app.platform.settings import is_for_development

if TYPE_CHECKING:
    from app.platform.database import DatabaseAheadError
    from app.platform.settings import Settings
    from app.platform.wiring import ModuleFolder

_COMMANDS = ("dev", "db", "make-migration", "token", "shell", "mcp", "map")


def add_commands(cli: typer.Typer) -> None:
    """Add the commands for developers; without what they need, each says so, and none is listed."""
    if is_for_development():
        from app.development.commands import commands

        cli.add_typer(commands)
        return
    unknown = {"allow_extra_args": True, "ignore_unknown_options": True}
    for name in _COMMANDS:
        cli.command(name, hidden=True, add_help_option=False, context_settings=unknown)(_refuse)


@contextmanager
def present_settings() -> "Iterator[Settings]":
    """Yield the settings of this environment; without DATABASE_URL, of what `app dev` runs now.

    Starts no server. Raises SettingsError.
    """
    from app.platform.settings import load_settings, SettingsError

    try:
        settings = load_settings()
    except SettingsError as error:
        if "DATABASE_URL" in os.environ or not is_for_development():
            raise
        from app.development.database import development_settings, is_server_running

        if not is_server_running():
            raise SettingsError(
                f"{error}, and no Postgres of `app dev` runs here; start `make dev`, or start it anew"
            ) from None
        with development_settings() as settings:
            yield settings
    else:
        yield settings


def undo_migration(module: str | None) -> None:
    """Take back a migration of the developer's database, and say which file is left."""
    from app.cli_errors import fail

    if not is_for_development():
        fail("This is an installation for production, where no migration is undone.")
    from app.development.commands import undo_migration as undo

    undo(module)


def explain_ahead(
    error: "DatabaseAheadError", folders: "Sequence[ModuleFolder]"
) -> "DatabaseAheadError":
    """Return the error, which on a developer's machine says more."""
    if not is_for_development():
        return error
    from app.development.undo import whereabouts

    return whereabouts(error, folders)


def _refuse(context: typer.Context) -> None:
    from app.cli_errors import fail

    fail(
        f"This is an installation for production, without `app {context.info_name}`. Run it in the "
        "repository."
    )
