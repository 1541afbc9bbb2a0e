"""The engine that all modules share. Its login may read nothing by itself: `SET LOCAL ROLE` lends
it the role of the module that speaks, until the transaction ends.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any, cast

from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import DisconnectionError, MissingGreenlet
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.sql.elements import (
    ReleaseSavepointClause,
    RollbackToSavepointClause,
    SavepointClause,
)
from sqlalchemy.util.concurrency import in_greenlet
from sqlalchemy.util.queue import Empty

from app.platform.database.copying import copy_instead
from app.platform.database.credentials import connect_in_greenlet
from app.platform.database.driver import Connection as DriverConnection
from app.platform.database.driver import longest_given, milliseconds
from app.platform.database.errors import (
    explain,
    OF_DRIVER,
    unreachable,
)
from app.platform.database.kept_connection import KeptConnection, refuse_commit
from app.platform.database.roles import EXTENSIONS, ROLES
from app.platform.database.sides import HeldError, Sides, sides_of
from app.platform.database.speaking import begin_speaking, speaking_on
from app.platform.database.spoken_sql import check_spoken
from app.platform.settings import Settings
from app.platform.telemetry import withhold_values
from app.platform.timeouts import CLOSE, MARGIN

_SECONDS = "statement_timeout"
"""The engine's option that holds DATABASE_STATEMENT_TIMEOUT."""
_SAVEPOINTS = (SavepointClause, ReleaseSavepointClause, RollbackToSavepointClause)


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


def create_engine(settings: Settings, *, name: str = "app serve") -> AsyncEngine:
    """Create the engine that all modules share. Postgres shows its connections under the name."""
    seconds = settings.database_statement_timeout
    engine = create_async_engine(
        async_url(settings.database_url),
        execution_options={_SECONDS: seconds, ROLES: settings.roles},
        poolclass=Pool,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        hide_parameters=True,
        pool_timeout=settings.database_pool_timeout,
        connect_args={
            "async_creator_fn": connect_in_greenlet,
            "connection_class": DriverConnection,
            "command_timeout": seconds + MARGIN,
            "server_settings": {"application_name": name},
        },
    )
    if (sides := sides_of(settings)) is not None:
        pool = cast(Pool, engine.pool)
        pool.sides = sides
        sides.add(pool)
    _switch_roles(engine.sync_engine)
    engine.sync_engine._connection_cls = KeptConnection
    event.listen(engine.sync_engine, "commit", refuse_commit)
    event.listen(engine.sync_engine, "handle_error", withhold_values)
    event.listen(engine.sync_engine, "handle_error", explain)
    event.listen(engine.sync_engine, "do_execute", copy_instead)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)

    @event.listens_for(engine.sync_engine, "connect")
    def begin_connection(connection: Any, _record: object) -> None:
        """Let each statement take so long, and look names without a schema up where extensions are.

        Said with the first words on a connection: poolers refuse it of one that connects.
        """
        limits = f"SET statement_timeout = {milliseconds(seconds)}; SET search_path = {EXTENSIONS}"
        connection.run_async(lambda driver: driver.execute(limits))

    return engine


def seconds_of(engine: AsyncEngine | Engine) -> float:
    """Return how long each statement may take in a transaction that begins now."""
    longest = longest_given.get()
    if longest is not None:
        return longest
    seconds: float = engine.get_execution_options()[_SECONDS]
    return seconds


class Pool(AsyncAdaptedQueuePool):
    """Counts those who waited for a connection, and got none. Raises UnreachableError for whatever
    keeps one from being made."""

    __module__ = AsyncAdaptedQueuePool.__module__  # Under whose name it logs, as a library's.

    timeouts = 0
    held = 0
    """How many of them waited while the data of a module moved."""
    waiting = 0
    """How many wait for a connection now."""
    sides: Sides | None = None
    """Where a connection leads, if there are two databases; see `sides`."""
    _dialect: Any

    def connect(self) -> PoolProxiedConnection:
        if self.sides is None:
            return self._connect()
        until = time.monotonic() + self._timeout
        while True:
            if self.sides.is_held:
                self._wait(self.sides, until - time.monotonic())
            connection = self._connect()
            if not self.sides.is_held:
                return connection
            connection.close()  # It took until then to get it: nothing more begins there.

    def clear(self) -> None:
        """Close the connections that nobody has; others will be made in their place."""
        idle = []
        with suppress(Empty):
            while True:
                idle.append(self._pool.get(False))
        for record in idle:
            if record.dbapi_connection is not None:
                cast(Any, record.dbapi_connection).driver_connection.terminate()
            self._pool.put(record, False)

    def _wait(self, sides: Sides, seconds: float) -> None:
        if not in_greenlet():
            raise MissingGreenlet
        try:
            sides.wait(seconds)
        except HeldError:
            self.held += 1
            raise

    def _do_get(self) -> ConnectionPoolEntry:
        self.waiting += 1
        try:
            return super()._do_get()
        finally:
            self.waiting -= 1

    def _connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except PoolTimeout:
            self.timeouts += 1
            raise
        except (OSError, *OF_DRIVER, self._dialect.loaded_dbapi.Error) as error:
            raise unreachable(error) from error


async def close(engine: AsyncEngine) -> None:
    """Close every connection of an engine, those included that are on their way back to its pool."""
    with suppress(TimeoutError):  # What does not answer goes with the process.
        async with asyncio.timeout(CLOSE):
            while cast(Pool, engine.pool).checkedout():  # noqa: ASYNC110 Nothing tells of it.
                await asyncio.sleep(0.005)
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE):
            await engine.dispose()


def _switch_roles(engine: Engine) -> None:
    """Run each statement under the role of whoever speaks; with SET LOCAL, which leaves none behind."""
    event.listen(engine, "begin", begin_speaking)

    @event.listens_for(engine, "rollback_savepoint")
    def forget(connection: Connection, _name: str, _context: None) -> None:
        if not connection.invalidated:
            # Postgres goes back to the one it had at the savepoint.
            speaking_on(connection).role = None

    @event.listens_for(engine, "before_cursor_execute")
    def switch(
        connection: Connection,
        cursor: DBAPICursor,
        statement: str,
        values: Any,
        context: Any,
        many: bool,
    ) -> None:
        speaking = speaking_on(connection)
        speaker = speaking.speaker
        is_savepoint = isinstance(context.invoked_statement, _SAVEPOINTS)
        if speaker and not is_savepoint:
            check_spoken(statement, values, many=many)
        if not speaking.begun:
            set_role = f' SET LOCAL ROLE "{speaker}";' if speaker else ""
            read_only = " SET TRANSACTION READ ONLY;" if speaking.read_only else ""
            driver: DriverConnection = connection.connection.driver_connection  # type: ignore[assignment]
            driver.begin_with(seconds_of(engine), read_only + set_role)
            speaking.begun, speaking.role = True, speaker
        elif speaker != speaking.role and not is_savepoint:
            cursor.execute(f'SET LOCAL ROLE "{speaker}"')
            speaking.role = speaker


def _refuse_closed(connection: DBAPIConnection, *_rest: object) -> None:
    """Let the pool replace a connection that Postgres closed while it waited there."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError
