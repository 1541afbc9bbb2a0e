"""What the command `app` says of an error: one sentence, with the error's own cause."""

import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import typer

_SOURCE = Path(__file__).parents[1]
_CONNECTING = ("08", "28", "3D", "53", "57P")
"""Classes of SQLSTATE with which Postgres lets nobody in."""
_NOT_THERE = ("3F000", "42P01", "42501")
"""SQLSTATEs of a schema or table that is missing, or not granted."""


def fail(message: str) -> NoReturn:
    """Print a sentence, and end with exit code 1."""
    try:
        typer.echo(f"app: {message}", err=True)
        sys.stdout.flush()
    except OSError:  # The interpreter would try again as it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(1)


def is_foreseen(error: Exception) -> bool:
    """Say whether a sentence tells all of an error, so that its traceback is of no use."""
    return (
        type(error).__module__.startswith("app.")
        or isinstance(error, OSError | SyntaxError)
        or is_of_database(error)
        or "/migrations/" in _place(error)  # All else there is Alembic.
    )


def describe(error: BaseException) -> str:
    """Return what went wrong and why, in a sentence; and where, unless that is not in our source."""
    if is_of_database(error):
        return _of_database(error)
    if type(error).__module__.startswith("app."):
        return str(error) or type(error).__name__
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        what = f"{error.filename}: {reason}" if error.filename else reason
        return f"{what}{_at(error)}."
    said = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {said}{_at(error)}."


def is_of_database(error: BaseException) -> bool:
    """Say whether the driver raised an error, and not a file, a pipe or another server."""
    import asyncpg
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.exc import TimeoutError as PoolTimeout

    from app.platform.database import UnreachableError

    of_driver = (asyncpg.PostgresError, asyncpg.InterfaceError)
    if isinstance(error, (UnreachableError, DBAPIError, PoolTimeout, *of_driver)):
        return True
    files = (Path(each.filename) for each in traceback.extract_tb(error.__traceback__))
    return isinstance(error, OSError) and any("asyncpg" in file.parts for file in files)


def _of_database(error: BaseException) -> str:
    from app.platform.database import UnreachableError

    cause = error.__cause__ if isinstance(error, UnreachableError) else None
    reason = getattr(error, "orig", None) or cause or error
    state = getattr(reason, "sqlstate", None) or ""
    reason = str(reason) or type(reason).__name__
    if state in _NOT_THERE:
        return f"The database lacks what is asked of it: {reason}. Has `app migrate` been run?"
    if state and not state.startswith(_CONNECTING):
        return f"The database refuses: {reason}."
    return (
        f"The database does not answer as expected: {reason}. Is DATABASE_URL right, and does "
        "Postgres run?"
    )


def _at(error: BaseException) -> str:
    return f" ({place})" if (place := _place(error)) else ""


def _place(error: BaseException) -> str:
    """Return the file of ours, and the line, in which an error was raised last, if there is one."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.is_relative_to(_SOURCE):
            return f"{file.relative_to(_SOURCE.parent)}, line {frame.lineno}"
    return ""
