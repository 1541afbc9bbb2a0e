"""What can be somebody's address is kept out of errors and logs."""

import logging
import re
from collections.abc import Iterator

import asyncpg
from sqlalchemy.engine.interfaces import ExceptionContext

_QUOTED = re.compile(r"""(: |\s)["'].*""", re.DOTALL)
_QUOTES_VALUES = re.compile("22(?!023)")
"""SQLSTATEs of values that do not fit. All others quote names only, as 22023 does of settings."""


def withhold_values(context: ExceptionContext) -> None:
    """Take values out of a database error and what caused it, before anyone logs them.

    Listens to `handle_error`. What constraint was violated, and where, stays.
    """
    withhold(context.original_exception, context.sqlalchemy_exception)


def withhold(original: BaseException, raised: BaseException | None = None) -> None:
    """Take values out of an error of the driver, what caused it, and what is raised in its place."""
    chain = list(_causes(original))
    states = (each.sqlstate for each in chain if isinstance(each, asyncpg.PostgresError))
    quotes_values = _QUOTES_VALUES.match(next(states, None) or "")
    if raised is not None:
        chain.append(raised)
    for each in chain:
        if isinstance(each, asyncpg.PostgresError):
            each.detail = None
        if each.args:
            text = str(each.args[0]).partition("\nDETAIL:")[0]
            each.args = (_QUOTED.sub("", text) if quotes_values else text, *each.args[1:])


def without_query(record: logging.LogRecord) -> bool:
    """Take the query out of a line of uvicorn's access log: the part behind the path names people."""
    if isinstance(record.args, tuple) and len(record.args) == 5:
        client, method, path, *rest = record.args
        record.args = (client, method, str(path).partition("?")[0], *rest)
    return True


def cause(error: Exception) -> str:
    """Return what an error comes down to, in one line: no statement, no traceback."""
    # What a TimeoutError comes from is a CancelledError, which says nothing.
    first = [each for each in _causes(error) if isinstance(each, Exception)][-1]
    first = getattr(first, "orig", None) or first
    said = str(first).strip().partition("\n")[0]
    return f"{type(first).__name__}: {said}" if said else type(first).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
