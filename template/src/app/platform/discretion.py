"""What nobody may read in a log: values that errors quote, somebody's address, secrets."""

import re
import traceback
from collections.abc import Iterator, Mapping
from functools import lru_cache

import asyncpg
from fastapi.exceptions import ValidationException
from pydantic import ValidationError
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import StatementError

from app.platform.errors import DomainError
from app.platform.slow_texts import without_values

_QUOTED = re.compile(r"""(: |\s)["'].*""", re.DOTALL)
_QUOTES_VALUES = re.compile("22(?!023)")
"""SQLSTATEs of values that do not fit. All others quote names only, as 22023 does of settings."""
_WITHHELD = "[withheld]"
_SECRET_NAME = re.compile(r"passw|secret|token|authorization|cookie|api[_-]?key|\bbody\b", re.I)
_SECRETS = re.compile(
    r"""
    (?<=://)[^/\s@]{1,200}@                                  # the user and password in a URL
    | [^\s@<>"'(),:;=\[\]\\]{1,64}@[\w-]{1,63}(\.[\w-]{1,63})+  # an e-mail address
    | \beyJ[\w-]{5,4000}+\.[\w-]+(\.[\w-]*)?                   # a JSON Web Token
    | (?:bearer|basic)\ [\w.~+/=-]{8,}
    | (?<=\?)[\w.%~+-]+=[^\s"']*                              # the query of a URL
    | (?:passw\w{0,20}|secret|token|api[_-]?key)["']?\s*[=:]\s*[^\s,;&)]+
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NUMBERS = (int, float, bool)
_LONGEST = 10_000
"""Characters of one text that are logged. What looks for secrets takes its time with long ones, and
whoever logs waits for it."""
_LAST_WORD = re.compile(r"\S*\Z")
_FIRST_WORD = re.compile(r"\A\s*\S*")
_LONGEST_WORD = 300
_DEEPEST = 5
"""How far a value that is logged, or the causes of an error, are followed."""


def without_secrets(value: object, name: str = "") -> object:
    """Return a value that is about to be logged under a name, without what looks like a secret or
    somebody's address. A guess, the last of several: who logs is to leave such things out."""
    return _without_secrets(value, name, _DEEPEST)


def _without_secrets(value: object, name: str, depth: int) -> object:
    kind = type(value)
    if kind is str and len(value) > _LONGEST:  # type: ignore[arg-type]
        value = _shortened(value)  # type: ignore[arg-type]
    if kind is str and not _is_suspect(value) and not _names_a_secret(name):  # type: ignore[arg-type]
        return value
    if value is None or kind in _NUMBERS:
        return value
    if _names_a_secret(name):
        return _WITHHELD
    if depth and isinstance(value, Mapping):
        each = value.items()
        return {str(key): _without_secrets(part, str(key), depth - 1) for key, part in each}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_without_secrets(part, "", depth - 1) for part in value]
    text = _shortened(str(value))
    return _SECRETS.sub(_WITHHELD, text) if _is_suspect(text) else text


def _shortened(text: str) -> str:
    """Return the head and the tail of a text that is too long, as the tail of a traceback says what
    was wrong. The words at the cut are left out: half a secret would not be known for one."""
    if len(text) <= _LONGEST:
        return text
    head, tail = text[: _LONGEST // 2], text[-_LONGEST // 2 :]
    last = _LAST_WORD.sub("", head[-_LONGEST_WORD:])
    return f"{head[:-_LONGEST_WORD]}{last}…{_FIRST_WORD.sub('', tail)}"


def _is_suspect(text: str) -> bool:
    """Say whether a text has a mark that is in all that `_SECRETS` finds. Most have none; written out
    because each value of each line is asked for."""
    return (
        ":" in text
        or "=" in text
        or "@" in text
        or "?" in text
        or "eyJ" in text
        or "earer " in text
        or "asic " in text
        or "EARER " in text
        or "ASIC " in text
    )


@lru_cache(10_000)
def _names_a_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def text_of(error: BaseException) -> str:
    """Return what an error says, without the values that it may quote."""
    if isinstance(error, DomainError):
        return "(what it says is for who called)"
    if isinstance(error, StatementError) and error.statement:
        return f"{error.args[0]} [SQL: {without_values(error.statement)}]"
    if isinstance(error, ValidationError | ValidationException):
        errors = error.errors()
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in errors)
    return str(error)


def stacktrace_of(error: BaseException) -> str:
    """Return the traceback of an error and of what caused it, the first cause first."""
    parts: list[str] = []
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(seen) < 2 * _DEEPEST:
        each = waiting.pop(0)
        if each is None or any(each is one for one in seen):
            continue
        seen.append(each)
        lines = "".join(traceback.format_tb(each.__traceback__))
        parts.insert(0, f"{lines}{type(each).__qualname__}: {text_of(each)}")
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
        waiting.append(each.__cause__ or (None if each.__suppress_context__ else each.__context__))
    return "\n\nAfter it:\n\n".join(parts)


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
