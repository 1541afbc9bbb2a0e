"""SQL in traces: a span for each statement, with its text but not the values it was sent with."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from opentelemetry.trace import SpanKind
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import ExceptionContext

from app.platform.database.errors import sqlstate_of
from app.platform.database.speaking import speaking_on
from app.platform.telemetry import recorded_place, Span, without_values

_TABLE = r'\s+(?:ONLY\s+)?((?:"?\w+"?\.)?"?\w+"?)'
_WORKS_ON = {
    operation: re.compile(rf"\b{before}{_TABLE}", re.IGNORECASE)
    for operation, before in (
        ("INSERT", "INTO"),
        ("UPDATE", "UPDATE"),
        ("DELETE", "FROM"),
        ("SELECT", "FROM"),
    )
}
_WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_OPERATION = re.compile(r"[\s(]*(\w+)")
_LONGEST = 2000
_SMALL = 4000
"""Characters up to which a statement is worth remembering; longer ones would fill the memory."""
_COMMIT = "COMMIT"


def _described(statement: str) -> tuple[str, dict[str, str]]:
    """Return the name of a statement's span, and what it tells of it: no values."""
    shown = without_values(statement)
    begins = _OPERATION.match(shown)
    operation = begins[1].upper() if begins else "SQL"
    if operation == "WITH":
        written = _WRITES.search(shown)
        operation = written[1].upper() if written else "SELECT"
    table = _WORKS_ON[operation].search(shown) if operation in _WORKS_ON else None
    name = f"{operation} {table[1]}".replace('"', "") if table else operation
    return name, {
        "db.system.name": "postgresql",
        "db.operation.name": operation,
        "db.query.text": shown[:_LONGEST],
    }


_remembered = lru_cache(2000)(_described)


def begin_statement(statement: str, database: str | None, role: str | None) -> Span | None:
    """Begin the span of a statement that is about to be sent; the caller ends it."""
    if (here := recorded_place()) is None:
        return None
    name, about = (_remembered if len(statement) <= _SMALL else _described)(statement)
    span = Span(here.trace_id, here, name, SpanKind.CLIENT, about)
    schema = (role or "").rpartition("__")[2]
    span.attributes["db.namespace"] = f"{database}|{schema}" if schema else database or ""
    return span


def end_statement(span: Span, error: BaseException | None = None) -> None:
    """End it. Of an error, only its kind is told: its text can quote values."""
    if error is not None:
        span.attributes["error.type"] = type(error).__qualname__
        if isinstance(error, Exception) and (state := sqlstate_of(error)):
            span.attributes["db.response.status_code"] = span.attributes["error.type"] = state
        span.failed = True
    span.end()


def trace_statements(engines: Iterable[Engine]) -> None:
    """Let each statement that one of these sends be a span, and each COMMIT."""
    for engine in engines:
        event.listen(engine, "before_cursor_execute", _before)
        event.listen(engine, "after_cursor_execute", _after)
        event.listen(engine, "handle_error", _failed)
        event.listen(engine, "commit", _before_commit)
        event.listen(engine, "checkin", _after_commit)


def _before(
    connection: Connection, _cursor: object, statement: str, _values: object, context: Any, _m: bool
) -> None:
    database = connection.engine.url.database
    context.span = begin_statement(statement, database, speaking_on(connection).speaker)


def _after(
    _connection: Connection, _cursor: object, _sql: str, _values: object, context: Any, _m: bool
) -> None:
    if (span := getattr(context, "span", None)) is not None:
        context.span = None
        end_statement(span)


def _failed(context: ExceptionContext) -> None:
    span = getattr(context.execution_context, "span", None)
    if span is None and context.connection is not None and not context.connection.invalidated:
        span = context.connection.info.pop(_COMMIT, None)
    if span is not None:
        end_statement(span, context.original_exception)


def _before_commit(connection: Connection) -> None:
    if span := begin_statement(_COMMIT, connection.engine.url.database, None):
        connection.info[_COMMIT] = span


def _after_commit(_driver: object, record: Any) -> None:
    if span := record.info.pop(_COMMIT, None):
        end_statement(span)
