"""What can go wrong with the database, as callers tell it apart."""

import re
from typing import Any, cast

import asyncpg
from sqlalchemy import Engine
from sqlalchemy.engine.interfaces import Dialect, ExceptionContext
from sqlalchemy.exc import DBAPIError

from app.platform.database.roles import roles_of
from app.platform.database.speaking import Speaking, speaking_on

READ_ONLY = "25006"
"""The SQLSTATE of what would write in a transaction that is read only."""
_DENIED = re.compile(r"permission denied for schema (\w+)")
OF_DRIVER = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises, beside OSError and TimeoutError."""
UNDONE = (
    "The transaction was undone by an error that was caught inside it, so nothing was committed: "
    "let the error out, or catch it around `async with tx.savepoint()`."
)


class TransactionError(RuntimeError):
    """A transaction was used in a way that would break it. The message says what to do instead."""


class UnreachableError(Exception):
    """The database could not be reached: no connection could be made, it was lost, or a statement got
    no answer in time. What was not committed is undone. Raised from the driver's error."""


class ClosedError(UnreachableError):
    """The data of a module are not in this database any more, or not yet: see `fences`."""


class OutcomeUnknownError(Exception):
    """The connection broke while a transaction was being committed. It is committed or undone; only
    the data can tell which."""


class BoundaryError(Exception):
    """A module's statement reached for what belongs to another; Postgres refused it."""


def sqlstate_of(error: BaseException) -> str:
    """Return the five characters by which Postgres names an error, or none."""
    if isinstance(error, UnreachableError):
        error = error.__cause__ or error
    driver = getattr(getattr(error, "orig", None), "__cause__", None) or error
    return getattr(driver, "sqlstate", None) or ""


def explain(context: ExceptionContext) -> Exception | None:
    """Return what is raised in place of what the driver raised, so that callers can tell it apart.

    Listens to `handle_error`. It must not raise: others that listen would not hear of the error.
    """
    error, connection = context.original_exception, context.connection
    if not isinstance(error, Exception) or connection is None or connection.invalidated:
        return None
    if context.statement is not None and context.execution_context is None:
        return None  # A value could not be made ready: nothing was sent.
    speaking, driver = speaking_on(connection), connection.connection.driver_connection
    raised = translated(error, driver, connection.engine, speaking, context.statement)
    if isinstance(raised, UnreachableError):
        # The others in the pool are as old. SQLAlchemy would not think so of a time limit.
        context.is_disconnect = context.invalidate_pool_on_disconnect = True
        speaking.lost = True
    return raised


def translated(
    error: Exception, driver: Any, engine: Engine, speaking: Speaking, statement: str | None
) -> Exception | None:
    """Return what to raise in place of an error of the driver; None where that is SQLAlchemy's to say."""
    if is_lost(error, driver):
        return unreachable(error)
    if refusal := _trespass(error, engine, speaking.speaker):
        return refusal
    if speaking.read_only and getattr(error, "sqlstate", None) == READ_ONLY:
        return TransactionError(
            "`db.read()`, as `db.fetch()`, only reads: write, and lock, inside `db.transaction()`."
        )
    if isinstance(error, OF_DRIVER):  # While rows are fetched, SQLAlchemy does not wrap it.
        return _wrapped(error, engine.dialect, statement)
    return None


def is_lost(error: Exception, driver: Any) -> bool:
    """Say whether an error means that a connection is gone.

    One that did not answer in time is ended. What it says later would be taken for the next answer.
    """
    cause = error.__cause__ or error
    # asyncpg takes it for a mistake of its own when Postgres says goodbye as something is sent.
    if isinstance(error, OSError) or isinstance(cause, asyncpg.InternalClientError):
        driver.terminate()
    has_answered = isinstance(cause, asyncpg.PostgresError) and not sqlstate_of(cause).startswith(
        ("08", "25P", "57P")
    )
    return driver.is_closed() and not has_answered


def unreachable(error: Exception) -> UnreachableError:
    """Return the error to raise from one that means that there is no connection."""
    said = str(error) or "no answer in time"
    return UnreachableError(f"The database cannot be reached: {said}")


def _wrapped(error: Exception, dialect: Dialect, statement: str | None) -> Exception:
    """Return what SQLAlchemy makes of an error of the driver."""
    from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection

    dbapi: Any = dialect.loaded_dbapi
    try:
        AsyncAdapt_asyncpg_connection._handle_exception_no_connection(dbapi, error)
    except dbapi.Error as translated:
        return cast(
            Exception,
            DBAPIError.instance(
                statement, None, translated, dbapi.Error, hide_parameters=True, dialect=dialect
            ),
        )


def _trespass(
    error: BaseException, engine: Engine, speaker: str | None
) -> BoundaryError | ClosedError | None:
    """Return the error to raise instead of one that says that a schema is not the speaker's."""
    denied = _DENIED.search(str(error))
    if denied is None:
        return None
    by_itself = f"The login {engine.url.username} by itself"
    who = speaker.removeprefix(f"{roles_of(engine)}__") if speaker else by_itself
    owner = denied[1]
    if who == owner:
        return ClosedError(f"The data of {owner} are in another database, or on their way there.")
    if owner == "public":
        return BoundaryError(
            f"{who} may not touch the schema public: tables of a module stand in its own schema, "
            "what an extension brings is named without one (docs/postgres.md#extensions)."
        )
    return BoundaryError(
        f"{who} may not touch the schema {owner}: call a method of the interface in "
        f"app.modules.{owner}, or add the one that is missing there."
    )
