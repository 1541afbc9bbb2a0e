"""What a module's SQL may not say: what ends its caller's transaction, changes who speaks, or stays
behind on a connection that others use next. This catches mistakes, not hostile code.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from app.platform.database.errors import TransactionError

_ORDINARY = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|VALUES)\b", re.IGNORECASE)
_SUSPICIOUS = re.compile(r'set_config|pg_settings|advisory_lock|\bTEMP|pg_temp|\bHOLD\b|U&"', re.I)
"""Where none of these is, nothing that `_REFUSED` names can be."""
_SET_CONFIG = re.compile(r'\bset_config"?\s*\(', re.I)
_REFUSED = (
    (re.compile(r'(?<![\w$])U&"', re.I), "hides a name behind U&: write it as it is"),
    (
        re.compile(r"\bUPDATE\b[^;]*\bpg_settings\b", re.I),
        "sets what is the platform's, or does not say what: write its name",
    ),
    (
        re.compile(r'\bpg_(try_)?advisory_lock(_shared)?"?\s*\(', re.I),
        "keeps its lock on a connection that others use next: pg_advisory_xact_lock, or "
        "pg_try_advisory_xact_lock",
    ),
    (
        re.compile(
            r"(?<!INSERT )(?<!MERGE )\bINTO\s+((LOCAL|GLOBAL)\s+)?TEMP(ORARY)?\s+[\w\"]"
            r"|\bCREATE\s+(?!.*\sON\s+COMMIT\s+DROP\b)"
            r"(((OR\s+REPLACE|LOCAL|GLOBAL)\s+)*TEMP(ORARY)?\s|[^(]*\bpg_temp\"?\s*\.)",
            re.I | re.S,
        ),
        "leaves a table on a connection that others use next: CREATE TEMP TABLE … ON COMMIT DROP",
    ),
    (
        re.compile(r"\bDECLARE\b.*\bWITH\s+HOLD\b", re.I | re.S),
        "leaves a cursor on a connection that others use next: WITHOUT HOLD",
    ),
)
_OUTSIDE = re.compile(
    r"""--[^\n\r]*|/\*|(?<!\w)E'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*\""""
    r"|(?<![\w$])\$((?:[^\W\d]\w*)?)\$.*?\$\1\$",
    re.IGNORECASE | re.DOTALL,
)
_INSIDE = re.compile(r"/\*|\*/")
_NAME = re.compile(r"'([\w.]+)'(?:::\w+)?")
_PARAMETER = re.compile(r"\$(\d+)(?:::\w+)?")
_BETWEEN = re.compile(r'[(),]|"[^"]*"')
_ENDS = ("abort", "begin", "commit", "end", "prepare", "release", "rollback", "savepoint", "start")
_STAYS = ("deallocate", "discard", "listen", "load", "reset", "unlisten")
_OURS = (
    "default_transaction_read_only",
    "role",
    "schema",
    "search_path",
    "session",
    "session_authorization",
    "standard_conforming_strings",
    "statement_timeout",
    "transaction_read_only",
)
"""Settings of the transaction that are the platform's, and the one by which this reads strings."""


class _Setting(NamedTuple):
    """How `set_config` is called, where its parameters matter."""

    name: str
    is_local: str


def check_spoken(statement: str, values: Sequence[Any] = (), *, many: bool = False) -> None:
    """Raise TransactionError for a statement that a module may not send with these values."""
    if settings := _check_text(statement):
        for setting in settings:
            for each in values if many else [values]:
                _check_setting(setting, each, statement)


@lru_cache(2000)
def _check_text(statement: str) -> tuple[_Setting, ...]:
    """Check what shows without the values; return the settings for which they count."""
    if not _ORDINARY.match(statement):
        _check_command(statement)
    if not _SUSPICIOUS.search(statement):
        return ()
    code = _code(statement)
    for pattern, reason in _REFUSED:
        if pattern.search(code):
            _refuse(reason, statement)
    return tuple(_settings(code))


def _settings(code: str) -> Iterator[_Setting]:
    for found in _SET_CONFIG.finditer(code):
        arguments, begin, depth = [], found.end(), 1
        for mark in _BETWEEN.finditer(code, begin):
            depth += {"(": 1, ")": -1}.get(mark[0], 0)
            if depth == 0 or (depth == 1 and mark[0] == ","):
                arguments.append(code[begin : mark.start()].strip())
                begin = mark.end()
            if depth == 0:
                break
        name, _, is_local, *_ = [*arguments, "", "", ""]
        yield _Setting(name, is_local)


def _check_setting(setting: _Setting, values: Sequence[Any], statement: str) -> None:
    def value(of: str) -> Any:
        found = _PARAMETER.fullmatch(of)
        at = int(found[1]) - 1 if found else len(values)
        return values[at] if at < len(values) else None

    literal = _NAME.fullmatch(setting.name)
    name = literal[1] if literal else value(setting.name)
    if not isinstance(name, str) or name.lower() in _OURS:
        _refuse("sets what is the platform's, or does not say what: write its name", statement)
    if setting.is_local.strip("'").lower() != "true" and value(setting.is_local) is not True:
        _refuse(
            "outlives the transaction, on a connection that others use: set_config(…, true)",
            statement,
        )


def _check_command(statement: str) -> None:
    command, first, second, *_ = [*re.findall(r"\w+", _code(statement).lower()), "", "", ""]
    if command in _ENDS:
        _refuse(
            "ends the transaction, or a part of it: let `tx` end with its block, and a part with "
            "`async with tx.savepoint()`",
            statement,
        )
    if command in _STAYS:
        _refuse("changes a connection that others use next", statement)
    if command == "do":
        _refuse("can hide anything: write a function in a migration", statement)
    if command != "set" or first == "constraints":
        return
    if first == "transaction":
        if re.search(r"\bwrite\b", statement, re.IGNORECASE):
            _refuse("lets a read write", statement)
    elif first != "local":
        _refuse("outlives the transaction, on a connection that others use: SET LOCAL", statement)
    elif second in _OURS:
        _refuse("sets what is the platform's", statement)


def _refuse(reason: str, statement: str) -> None:
    shown = " ".join(statement.split())
    raise TransactionError(f"A module may not send `{shown[:60]}`: it {reason}.")


def _code(statement: str) -> str:
    """Return a statement without comments, and of its strings only those that can name a setting."""
    kept, at, depth = [], 0, 0
    while found := (_INSIDE if depth else _OUTSIDE).search(statement, at):
        token = found[0]
        if not depth:
            kept.append(statement[at : found.start()])
        if token in ("/*", "*/"):  # They can stand in each other.
            depth += 1 if token == "/*" else -1
            kept.append(" ")
        elif token.startswith("--"):
            kept.append(" ")
        else:
            kept.append(token if token[0] == '"' or _NAME.fullmatch(token) else "''")
        at = found.end()
    return "".join(kept) + ("" if depth else statement[at:])
