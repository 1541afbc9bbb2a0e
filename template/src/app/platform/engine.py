"""The engine that all modules share, and the role each statement runs under.

One login serves all modules; by itself it may read nothing. `SET LOCAL ROLE` lends it the role of
the module that speaks, until the transaction ends.
"""

import re
from typing import Any

import asyncpg
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor, ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection

from app.platform.discretion import withhold_values
from app.platform.passwords import connect_in_greenlet
from app.platform.roles import EXTENSIONS
from app.platform.settings import Settings

OPENING = "opening"
"""The engine's option that holds what every transaction begins with, behind BEGIN."""
READ_ONLY = "25006"
"""The SQLSTATE of what would write in a transaction that is read only."""
_DENIED = re.compile(r"permission denied for schema (\w+)")
_SAVEPOINT_COMMANDS = ("SAVEPOINT", "RELEASE", "ROLLBACK")


def async_url(url: str) -> str:
    """Translate a libpq URL, `sslmode` included, for SQLAlchemy on asyncpg."""
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    if "sslmode" in parsed.query:
        sslmode = parsed.query["sslmode"]
        parsed = parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": sslmode})
    return parsed.render_as_string(hide_password=False)


def login_of(url: str) -> str:
    """Return the role that a database URL logs in as."""
    return make_url(url).username or ""


def create_engine(
    settings: Settings, *, name: str = "app serve", patience: float | None = None
) -> AsyncEngine:
    """Create the engine that all modules share. Postgres shows its connections under the name.

    With `patience`, the driver gives a statement up after so many seconds without an answer.
    """
    milliseconds = round(settings.database_statement_timeout * 1000)
    opening = (
        f" SET LOCAL statement_timeout = {milliseconds}; SET LOCAL search_path = {EXTENSIONS};"
    )
    engine = create_async_engine(
        async_url(settings.database_url),
        execution_options={OPENING: opening},
        poolclass=Pool,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        hide_parameters=True,
        pool_timeout=settings.database_pool_timeout,
        connect_args={
            "connection_class": _Connection,
            "timeout": 5,
            "command_timeout": patience,
            "server_settings": {"application_name": name},
        },
    )
    _switch_roles(engine.sync_engine, opening)
    event.listen(engine.sync_engine, "handle_error", _admit_disconnect)
    event.listen(engine.sync_engine, "handle_error", withhold_values)
    event.listen(engine.sync_engine, "handle_error", _explain_trespass)
    event.listen(engine.sync_engine, "handle_error", _explain_read_only)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    event.listen(engine.sync_engine, "do_connect", connect_in_greenlet)
    return engine


class TransactionError(RuntimeError):
    """A transaction was used in a way that would break it. The message says what to do instead."""


UNDONE = (
    "The transaction was undone by an error that was caught inside it, so nothing was committed: "
    "let the error out, or catch it around `async with tx.savepoint()`."
)


class OutcomeUnknownError(Exception):
    """The connection broke while a transaction was being committed. It is committed or undone; only
    the data can tell which."""


class BoundaryError(Exception):
    """A module's statement reached for what belongs to another; Postgres refused it."""


class Pool(AsyncAdaptedQueuePool):
    """Counts those who waited for a connection, and got none."""

    __module__ = AsyncAdaptedQueuePool.__module__  # Under whose name it logs, as a library's.

    timeouts = 0

    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except PoolTimeout:
            self.timeouts += 1
            raise


class _Connection(asyncpg.Connection):
    """Sends the first role of a transaction with BEGIN, and hears what became of a COMMIT."""

    opening = ""

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        if not query.startswith(("BEGIN", "COMMIT")):
            return await super().execute(query, *args, **options)
        opening = self.opening if query.startswith("BEGIN") else ""
        try:
            status = await super().execute(query + opening, *args, **options)
        except BaseException:
            # BEGIN may have passed and the rest failed, or COMMIT never have been sent. The driver
            # believes that no transaction is open and would hand the connection to the next
            # request as it is.
            self.terminate()
            raise
        if query.startswith("COMMIT") and status == "ROLLBACK":
            raise TransactionError(UNDONE)  # Postgres says it only here.
        return status


def is_unanswered(error: Exception) -> bool:
    """Say whether a connection ended before Postgres said what became of a statement."""
    driver = getattr(getattr(error, "orig", None), "__cause__", None) or error
    unanswered = sqlstate_of(error).startswith(("08", "57P"))
    return isinstance(driver, asyncpg.InterfaceError | OSError) or unanswered


def sqlstate_of(error: Exception) -> str:
    """Return the five characters by which Postgres names an error, or none."""
    driver = getattr(getattr(error, "orig", None), "__cause__", None) or error
    return getattr(driver, "sqlstate", None) or ""


def _switch_roles(engine: Engine, opening: str) -> None:
    """Run each statement under the role of whoever speaks, told by `Connection.info`.

    `speaker` is the role that the next statement needs; `role` is the one Postgres has now, or
    None where that is unknown; `read_only` says that the transaction is to write nothing. Only SET
    LOCAL is used: it ends with the transaction, so that no role is ever left on a connection of the
    pool.
    """

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.info.update(begun=False, speaker=None, role=None, read_only=False)

    @event.listens_for(engine, "rollback_savepoint")
    def forget(connection: Connection, _name: str, _context: None) -> None:
        connection.info["role"] = None  # Postgres goes back to the role it had at the savepoint.

    @event.listens_for(engine, "before_cursor_execute")
    def switch(connection: Connection, cursor: DBAPICursor, statement: str, *_rest: object) -> None:
        info = connection.info
        speaker = info["speaker"]
        if not info["begun"]:
            set_role = f' SET LOCAL ROLE "{speaker}";' if speaker else ""
            read_only = " SET TRANSACTION READ ONLY;" if info["read_only"] else ""
            driver: _Connection = connection.connection.driver_connection  # type: ignore[assignment]
            driver.opening = opening + read_only + set_role
            info.update(begun=True, role=speaker)
        elif speaker != info["role"] and not statement.startswith(_SAVEPOINT_COMMANDS):
            cursor.execute(f'SET LOCAL ROLE "{speaker}"')
            info["role"] = speaker


def _refuse_closed(connection: DBAPIConnection, *_rest: object) -> None:
    """Let the pool replace a connection that Postgres closed while it waited there.

    The driver has heard of it: this asks nobody.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _explain_read_only(context: ExceptionContext) -> None:
    state = getattr(context.original_exception, "sqlstate", None)
    if state == READ_ONLY and context.connection and context.connection.info["read_only"]:
        raise TransactionError(
            "`db.read()` only reads: write, and lock, inside `db.transaction()`."
        ) from context.original_exception


def _admit_disconnect(context: ExceptionContext) -> None:
    """Call it a broken connection when the server says goodbye just as a statement is sent, which
    asyncpg takes for a mistake of its own."""
    error = context.original_exception
    if isinstance(error.__cause__, asyncpg.InternalClientError):
        context.is_disconnect = True
        raise ConnectionResetError(str(error.__cause__)) from error


def _explain_trespass(context: ExceptionContext) -> None:
    if context.connection is None:
        return
    speaker = context.connection.info.get("speaker")
    if error := trespass(context.original_exception, context.connection.engine, speaker):
        raise error from context.original_exception


def trespass(error: BaseException, engine: Engine, speaker: str | None) -> BoundaryError | None:
    """Return the error to raise instead of one that says that a schema is not the speaker's."""
    denied = _DENIED.search(str(error))
    if denied is None:
        return None
    login = engine.url.username
    who = speaker.removeprefix(f"{login}__") if speaker else f"The login {login} by itself"
    owner = denied[1]
    if owner == "public":
        return BoundaryError(
            f"{who} may not touch the schema public: tables of a module stand in its own schema, "
            "what an extension brings is named without one (docs/postgres.md#extensions)."
        )
    return BoundaryError(
        f"{who} may not touch the schema {owner}: call a method of the interface in "
        f"app.modules.{owner}, or add the one that is missing there."
    )
