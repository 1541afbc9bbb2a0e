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
from app.platform.telemetry.sql_text import without_values

_QUOTED = re.compile(
    r"""(: |\s)["'].*?(?:"( is out of range for type (?:smallint|integer|bigint|real|double precision)))?"""
    r"\Z",
    re.DOTALL,
)
"""From the first quote to the end, as a value may hold quotes itself. What Postgres always says last stays."""
_QUOTES_VALUES = re.compile("22(?!023)")
"""SQLSTATEs of values that do not fit. All others quote names only, as 22023 does of settings."""
_WITHHELD = "[withheld]"
_SECRET_NAME = re.compile(
    r"passw|passphrase|pwd|secret|token|credential|authorization|cookie|bearer|\bbody\b"
    r"|sess(?:ion)?[_-]?id\b|\bsid\b"
    r"|(?:api|access|private|account)[ _-]?key",
    re.IGNORECASE,
)
_SHAPES = {
    "@": re.compile(  # An e-mail address.
        r"""(?<![^\s@<>"'(),:;=\[\]\\])[^\s@<>"'(),:;=\[\]\\]{1,200}+@[\w-]{1,63}(?:\.[\w-]{1,63})+"""
    ),
    "://": re.compile(  # The user and password in a URL, also where that was not quoted as it must be.
        r"(?<=://)(?:[^/\s:@]{0,100}+:\S{1,300}|[^/\s]{1,300})@"
    ),
    "?": re.compile(r"""(?<=\?)[\w.%~+-]++=[^\s"']*"""),  # The query of a URL.
    "PRIVATE KEY": re.compile(  # PEM, also in one line, and where its head was cut off.
        r"(?:-----BEGIN|…)(?:(?!-----BEGIN|…)[\s\S])*?PRIVATE KEY(?:(?!-----END)[\s\S])*+"
        r"(?:-----END[A-Z ]*+-----)?"
    ),
}
"""What is secret by how it looks, and what must be in a text that holds it."""
_TOKENS = re.compile(
    r"""(?<![A-Za-z0-9])(?:
      eyJ[\w-]{9,}+(?:\.[\w-]*+)*+                            # a JSON Web Token
    | gh[pousr]_\w{16,} | github_pat_\w{16,} | gl[a-z]{2,7}-[\w.-]{16,}
    | xox[a-z](?:\.[a-z]+)?-[\w.-]{8,} | xapp-[\w-]{8,}
    | A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{12,} | AIza[\w-]{20,} | ya29\.[\w-]{8,} | GOCSPX-[\w-]{8,}
    | sk-[\w-]{16,} | [rsk]k_(?:live|test)_\w{8,} | whsec_[\w+/=]{8,} | SG\.[\w-]{8,}\.[\w-]{8,}
    | npm_\w{16,} | pypi-[\w-]{16,} | hf_\w{16,} | do[opr]_v1_\w{16,} | dckr_pat_[\w-]{8,}
    | shp(?:at|ca|pa|ss)_\w{16,} | hv[bsr]\.[\w-]{16,} | glsa_\w{16,} | sntry[su]_[\w+/=-]{16,}
    | hooks\.slack\.com/[\w/-]+ | discord(?:app)?\.com/api/webhooks/[\w/-]+
    | [0-9]{8,10}:AA[\w-]{30,}                                # a bot of Telegram
    )""",
    re.VERBOSE,
)
"""Tokens that say by their first letters whose they are."""
_SHORTEST_TOKEN = 13
_NAMES = r"(?:passw|passphrase|pwd|secret|token|credential|(?:api|access|private|account)[_-]?key)"
_LINE = r"(?:\\r|\r)?(?:\\n|\n)"
"""The end of a line, as it is or as it is written in a text."""
_NAMED = re.compile(
    rf"""
      (?:bearer|basic)(?:\s|%20){{1,3}}[\w.~+/=-]{{8,}} | bearer\s?[:=]\s?["']?[^\s"',;]+
    | (?:authorization|cookie)["']?(?::|=|,\ b)\s{{0,3}}(?:["'][^"'\n]*|[^"'\n]*)
    | (?:{_NAMES}[\w-]{{0,24}}+ | \bpass(?==) | sess(?:ion)?[_-]?id | \b[a-z_-]{{0,16}}sess(?:ion)?(?==)
        | \b(?:connect\.)?sid(?==|["'],?:?\ ?["']))
      (?:\\{{0,3}}["']?\s{{0,3}}(?:=>|[=:]|%3d)\s{{0,3}} | ["'],\s?(?=b?["'])
        | ["']\s{{1,3}}value\s?=\s?(?=["']) | ["'][^<>"'\n]{{0,60}}>)
      (?:\\{{1,3}}"(?:[^"\\\n]|\\++[^"\\\n])*+ | b?"(?:[^"\\\n]|\\.)*+ | b?'(?:[^'\\\n]|\\.)*+
        | \[[^\]\n]*+ | [^\s,;&)"']+)
    | (?:<|&lt;)(?:[\w:.-]{{0,40}}?){_NAMES}[\w.-]{{0,24}}+(?:\s(?:(?!&gt;)[^<>]){{0,200}}+)?(?:>|&gt;)  # XML
      (?:\s{{0,9}}<!\[cdata\[(?:(?!\]\]>)[\s\S])*+ | (?:(?!&lt;)[^<])*+)
    | name=\\?["']?[\w.[\]-]{{0,40}}?{_NAMES}[\w.[\]-]{{0,24}}+\\?["']?           # a form in parts
      [^\r\n\\]{{0,100}}+(?:{_LINE}[^\r\n\\]{{1,100}}+){{0,3}}+{_LINE}{_LINE}
      (?:(?!\\r|\\n)[^\r\n])*+
    | passw[a-z]{{0,3}}+\s{{1,3}}'[^'\n]*+                           # in SQL
    | --(?:[a-z]+-){{0,3}}(?:passw|secret|token|api-?key)[a-z-]{{0,9}}+\s[^\s-]\S*
    """,
    re.VERBOSE,
)
"""Values that stand behind the name of a secret, in lower case: `re.IGNORECASE` takes five times as
long."""
_LOWER = {capital: capital + 32 for capital in range(ord("A"), ord("Z") + 1)}
_NUMBERS = (int, float, bool)
_LONGEST = 10_000
"""Characters of one text that are logged. What looks for secrets takes its time with long ones, and
whoever logs waits for it."""
_LAST_WORD = re.compile(r"\S*+\Z")
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
    if kind is str and not _names_a_secret(name):
        return _hidden(value)  # type: ignore[arg-type]
    if value is None or kind in _NUMBERS:
        return value
    if _names_a_secret(name):
        return _WITHHELD
    if depth and isinstance(value, Mapping):
        each = value.items()
        return {str(key): _without_secrets(part, str(key), depth - 1) for key, part in each}
    if depth and isinstance(value, list | tuple | set | frozenset):
        if len(value) == 2 and _names_a_secret(str(first := next(iter(value)))):
            return [_hidden(str(first)), _WITHHELD]  # As a header is.
        return [_without_secrets(part, "", depth - 1) for part in value]
    return _hidden(_shortened(str(value)))


def _shortened(text: str) -> str:
    """Return the head and the tail of a text that is too long, as the tail of a traceback says what
    was wrong. The words at the cut are left out: half a secret would not be known for one."""
    if len(text) <= _LONGEST:
        return text
    head, tail = text[: _LONGEST // 2], text[-_LONGEST // 2 :]
    last = _LAST_WORD.sub("", head[-_LONGEST_WORD:])
    return f"{head[:-_LONGEST_WORD]}{last}…{_FIRST_WORD.sub('', tail)}"


def _hidden(text: str) -> str:
    """Return a text without what looks like a secret, in a time that grows as the text does. Most hold
    none, and each value of each line is asked for: what is quickly looked for comes first."""
    for mark, shape in _SHAPES.items():
        if mark in text:
            text = shape.sub(_WITHHELD, text)
    if len(text) >= _SHORTEST_TOKEN:
        text = _TOKENS.sub(_WITHHELD, text)
    low = text.lower()
    if (
        "pass" in low
        or "pwd" in low
        or "secret" in low
        or "token" in low
        or "key" in low
        or "credential" in low
        or "authorization" in low
        or "cookie" in low
        or "bearer" in low
        or "basic" in low
        or "sess" in low
        or "sid=" in low
        or 'sid"' in low
        or "sid'" in low
    ):
        if len(low) != len(text):  # Some letters of other alphabets become two.
            low = text.translate(_LOWER)
        parts: list[str] = []
        end = 0
        for found in _NAMED.finditer(low):
            parts += text[end : found.start()], _WITHHELD
            end = found.end()
        if parts:
            text = "".join(parts) + text[end:]
    return text


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
            each.args = (_QUOTED.sub(r"\2", text) if quotes_values else text, *each.args[1:])


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
