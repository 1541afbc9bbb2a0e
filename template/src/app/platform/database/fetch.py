"""The shortest way to read: one SELECT, compiled once by SQLAlchemy, and sent by the driver.

Role, time limit, refusals and the choice of the server are those of `Database.read()`; a session costs
several times what a small SELECT does.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, cast, Generic, TypeVarTuple

from asyncpg import Record
from sqlalchemy import PoolProxiedConnection, Select
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import greenlet_spawn

from app.platform.database.engine import Pool, seconds_of
from app.platform.database.errors import OF_DRIVER, translated, UnreachableError
from app.platform.database.reading import falls_back, is_recent
from app.platform.database.replica import Replica
from app.platform.database.roles import role_of, roles_of
from app.platform.database.speaking import Speaking
from app.platform.database.spoken_sql import check_spoken
from app.platform.database.statement_spans import begin_statement, end_statement
from app.platform.telemetry import withhold

logger = logging.getLogger("app.replica")

Columns = TypeVarTuple("Columns")
Converter = Callable[[Any], Any] | None


@cache
def _dialect() -> Dialect:
    """Return every engine's dialect; this one never connects."""
    return create_async_engine("postgresql+asyncpg://").dialect


class PreparedError(Exception):
    """A SELECT cannot be prepared. The message says why, and what to do instead."""


class Prepared(Generic[*Columns]):
    """A SELECT of columns, compiled once, for `Database.fetch` and `Database.fetch_one`.

    Make it where the module is loaded, with `bindparam("name")` for what differs between two calls.
    Raises PreparedError for what needs a session: whole entities, and lists that are expanded.
    """

    def __init__(self, statement: Select[*Columns]) -> None:
        columns = [each["type"] for each in statement.column_descriptions]
        if not all(isinstance(each, TypeEngine) for each in columns):
            raise PreparedError(f"Name the columns, or read entities in a transaction: {statement}")
        dialect = _dialect()
        compiled: Any = statement.compile(dialect=dialect)
        binds = {name: compiled.binds[name] for name in compiled.positiontup}
        if any(each.expanding or each.literal_execute or each.callable for each in binds.values()):
            raise PreparedError(
                "Pass a list as one parameter, `column == any_(bindparam(…, type_=ARRAY(…)))`, or "
                f"read in a transaction; this SELECT has another text at each call: {statement}"
            )
        self.sql = str(compiled)
        check_spoken(self.sql)
        self._columns = columns
        self._given = {name for name, each in binds.items() if each.required}
        self._constant = {name: each.value for name, each in binds.items() if not each.required}
        self._writers = {
            name: each.type.dialect_impl(dialect).bind_processor(dialect)
            for name, each in binds.items()
        }
        self._readers: list[Converter] | None = None

    def arguments(self, parameters: Mapping[str, object]) -> list[object]:
        """Return what the driver wants, in order. Raises TypeError where a name is wrong."""
        if parameters.keys() != self._given:
            wanted, given = (", ".join(sorted(names)) for names in (self._given, parameters))
            raise TypeError(f"This SELECT takes ({wanted}), not ({given}): {self.sql}")
        values = {**self._constant, **parameters}
        return [
            values[name] if write is None else write(values[name])
            for name, write in self._writers.items()
        ]

    async def send(self, driver: Any, arguments: list[object]) -> list[Record]:
        """Send it on a connection of the driver."""
        if self._readers is None:
            dialect = _dialect()
            described = (await driver.prepare(self.sql)).get_attributes()
            if len(described) != len(self._columns):
                raise PreparedError(f"Name the columns of what is composed of several: {self.sql}")
            self._readers = [
                kind.dialect_impl(dialect).result_processor(dialect, each.type.oid)
                for kind, each in zip(self._columns, described, strict=True)
            ]
        return cast(list[Record], await driver.fetch(self.sql, *arguments))

    def rows(self, records: Sequence[Record]) -> list[tuple[*Columns]]:
        """Return what was read, each value as its SQLAlchemy type has it."""
        readers = self._readers or []
        if not any(readers):
            return [tuple(record) for record in records]
        return [
            tuple(
                value if read is None else read(value)
                for read, value in zip(readers, record, strict=True)
            )
            for record in records
        ]


async def fetch(
    module: str,
    primary: AsyncEngine,
    replica: Replica | None,
    query: Prepared[*Columns],
    parameters: Mapping[str, object],
) -> list[tuple[*Columns]]:
    """Return the rows of a SELECT under a module's role, in a transaction of its own: from the replica
    where that is recent enough, else, or if it fails there, from the primary."""
    arguments = query.arguments(parameters)
    if replica is not None and is_recent(replica):
        try:
            return await _fetch(module, replica.engine, query, arguments)
        except Exception as error:
            if not falls_back(replica, error):
                raise
    return await _fetch(module, primary, query, arguments)


async def _fetch(
    module: str, engine: AsyncEngine, query: Prepared[*Columns], arguments: list[object]
) -> list[tuple[*Columns]]:
    role = role_of(roles_of(engine), module)
    connection = await _connect(engine)
    driver: Any = connection.driver_connection
    driver.begin_with(seconds_of(engine), f' SET LOCAL ROLE "{role}";')
    try:
        records = await _read(driver, query, arguments, engine.url.database, role)
    except (OSError, *OF_DRIVER) as error:
        withhold(error)
        speaking = Speaking(role, read_only=True)
        raised = translated(error, driver, engine.sync_engine, speaking, query.sql)
        assert raised is not None
        if isinstance(raised, UnreachableError):
            await greenlet_spawn(engine.pool._invalidate, connection)  # And those as old as it is.
        raise raised from error
    finally:
        # Never back to the pool while anything is open, or nobody knows whether it is.
        if connection.is_valid:
            if driver.is_closed() or driver.is_in_transaction():
                await greenlet_spawn(connection.invalidate)
            else:
                connection.close()
    return query.rows(records)


async def _connect(engine: AsyncEngine) -> PoolProxiedConnection:
    """Take a connection from the pool; one that lies there, without SQLAlchemy's greenlet, which
    only those need that wait, or connect."""
    pool = engine.pool
    if isinstance(pool, Pool) and pool.waiting:  # Else a loop takes again what it has given back.
        await asyncio.sleep(0)
    if isinstance(pool, Pool) and pool.checkedin():
        with suppress(MissingGreenlet):
            return engine.sync_engine.raw_connection()
    return await engine.raw_connection()


async def _read(
    driver: Any,
    query: Prepared[*Columns],
    arguments: list[object],
    database: str | None,
    role: str,
) -> list[Record]:
    await driver.execute("BEGIN READ ONLY;")
    span = begin_statement(query.sql, database, role)
    try:
        records: list[Record] = await driver.in_time(query.send(driver, arguments))
    except BaseException as error:
        if span is not None:
            end_statement(span, error)
        # One that is cancelled, or late, may be under way still; its connection is given up.
        if isinstance(error, Exception) and not isinstance(error, OSError):
            await driver.execute("ROLLBACK;")
        raise
    if span is not None:
        end_statement(span)
    await driver.execute("COMMIT")
    return records
