"""What Postgres quotes in its errors is kept out of them: it can be somebody's address."""

import re
from collections.abc import Iterator

import asyncpg
from sqlalchemy.engine.interfaces import ExceptionContext

_QUOTED = re.compile(r"""(: |\s)["'].*""", re.DOTALL)
_DATA = "22"
"""The class of SQLSTATE of values that do not fit; all other errors quote names only."""


def withhold_values(context: ExceptionContext) -> None:
    """Take values out of a database error and what caused it, before anyone logs them.

    Listens to `handle_error`. What constraint was violated, and where, stays.
    """
    chain = list(_causes(context.original_exception))
    states = (each.sqlstate for each in chain if isinstance(each, asyncpg.PostgresError))
    quotes_values = (next(states, None) or "").startswith(_DATA)
    if context.sqlalchemy_exception is not None:
        chain.append(context.sqlalchemy_exception)
    for each in chain:
        if isinstance(each, asyncpg.PostgresError):
            each.detail = None
        if each.args:
            text = str(each.args[0]).partition("\nDETAIL:")[0]
            each.args = (_QUOTED.sub("", text) if quotes_values else text, *each.args[1:])


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
