"""COPY under a module's own role: the fastest way to write many rows."""

import asyncio
import time
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Sequence,
)
from typing import Any, NamedTuple

from asyncpg import QueryCanceledError
from sqlalchemy import Column, Connection, Table
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext
from sqlalchemy.util import await_only

from app.platform.timeouts import MARGIN

Records = Iterable[Sequence[Any]] | AsyncIterable[Sequence[Any]]
Convert = Callable[[Sequence[Any]], tuple[Any, ...]]

Send = Callable[[Any], Awaitable[str]]

_COPY = "copy"
"""The option of a statement that holds what is sent in its place."""


class _Copying(NamedTuple):
    """What is sent. Only this counts: any module can give a statement an option."""

    send: Send


def copy(
    connection: Connection,
    table: Table,
    columns: Sequence[str] | None,
    records: Records,
    seconds: float,
) -> int:
    """Write records, as values of the columns, within so many seconds; return how many.

    Called inside SQLAlchemy's greenlet. It passes as a statement, so that it begins the transaction,
    switches the role, is traced, and fails as every other one does.
    """
    chosen = _chosen(table, columns)
    names = [each.name for each in chosen]
    convert = _converter(connection, chosen)

    async def send(driver: Any) -> str:
        until = time.monotonic() + seconds
        async with asyncio.timeout(seconds + MARGIN):
            status: str = await driver.copy_records_to_table(
                table.name,
                schema_name=table.schema,
                columns=names,
                records=_as_they_come(records, convert, until)
                if isinstance(records, AsyncIterable)
                else _one_by_one(records, convert, until),
            )
            return status

    try:
        copied = connection.exec_driver_sql(
            f"COPY {table.fullname} ({', '.join(names)}) FROM STDIN",
            execution_options={_COPY: _Copying(send)},
        )
    except _RecordsError as error:
        raise error.__cause__ or error from None
    copied.close()
    return int(copied.context.copied.rpartition(" ")[2])  # type: ignore[attr-defined]


def copy_instead(
    cursor: DBAPICursor, _statement: str, _values: object, context: ExecutionContext
) -> bool:
    """Send what stands in a statement's place, where something does. Listens to `do_execute`."""
    copying = context.execution_options.get(_COPY)
    if not isinstance(copying, _Copying):
        return False
    adapted: Any = cursor
    adapted.execute("SELECT 1")  # With BEGIN, where nothing was sent before.
    try:
        context.copied = await_only(copying.send(adapted._connection))  # type: ignore[attr-defined]
    except Exception as error:
        adapted._handle_exception(error)
    return True


class _RecordsError(Exception):
    """Whoever makes the records failed: no error of the database's."""


def _chosen(table: Table, names: Sequence[str] | None) -> list[Column[Any]]:
    if names is None:
        made = table.autoincrement_column
        columns: Iterable[Column[Any]] = table.columns
        return [
            each
            for each in columns
            if each is not made and each.computed is None and each.identity is None
        ]
    if unknown := [name for name in names if name not in table.columns]:
        raise ValueError(f"{table.fullname} has no column {', '.join(unknown)}.")
    return [table.columns[name] for name in names]


def _converter(connection: Connection, columns: Sequence[Column[Any]]) -> Convert:
    """Return what makes of a record what the driver wants."""
    dialect = connection.dialect
    writers = [each.type.dialect_impl(dialect).bind_processor(dialect) for each in columns]

    def convert(record: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(
            value if write is None else write(value)
            for write, value in zip(writers, record, strict=True)
        )

    return convert


def _one_by_one(
    records: Iterable[Sequence[Any]], convert: Convert, until: float
) -> Iterator[tuple[Any, ...]]:
    try:
        for record in records:
            _check_time(until)
            yield convert(record)
    except QueryCanceledError:
        raise
    except Exception as error:
        raise _RecordsError from error


async def _as_they_come(
    records: AsyncIterable[Sequence[Any]], convert: Convert, until: float
) -> AsyncIterator[tuple[Any, ...]]:
    waiting = aiter(records)
    while True:
        try:
            async with asyncio.timeout(until - time.monotonic()) as limit:
                record = convert(await anext(waiting))
        except StopAsyncIteration:
            return
        except Exception as error:
            if limit.expired():
                _check_time(until)
            raise _RecordsError from error
        yield record


def _check_time(until: float) -> None:
    """Postgres has stopped by now. asyncpg would hear of it only behind the last record."""
    if time.monotonic() >= until:
        raise QueryCanceledError("canceling statement due to statement timeout")
