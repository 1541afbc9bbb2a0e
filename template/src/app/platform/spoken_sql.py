"""What a module's SQL may not say: what ends its caller's transaction, changes who speaks, or stays
behind on a connection that others use next.

This catches mistakes. It does not stop hostile code, which runs in the same process.
"""

import re
from functools import lru_cache

from app.platform.database_errors import TransactionError

_ORDINARY = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|VALUES)\b", re.IGNORECASE)
_SETTING = re.compile(
    r"set_config\"?\s*\(\s*(?:'([\w.]+)'\s*,)?|UPDATE\W[^;]*\bpg_settings\b", re.I
)
"""The functions that change a setting, and the view that does."""
_OUTSIDE = re.compile(r"""--[^\n\r]*|/\*|'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
_INSIDE = re.compile(r"/\*|\*/")
_ENDS = ("abort", "begin", "commit", "end", "prepare", "release", "rollback", "savepoint", "start")
_STAYS = ("deallocate", "discard", "listen", "load", "reset", "unlisten")
_OURS = (
    "default_transaction_read_only",
    "role",
    "schema",
    "search_path",
    "session",
    "session_authorization",
    "statement_timeout",
    "transaction_read_only",
)
"""Settings of the transaction that are the platform's."""


@lru_cache(2000)
def check_spoken(statement: str) -> None:
    """Raise TransactionError for a statement that a module may not send."""
    for found in _SETTING.finditer(statement):
        name = (found[1] or "").lower()
        if not name or name in _OURS:
            _refuse("sets what is the platform's, or does not say what: write its name", statement)
    if not _ORDINARY.match(statement):
        _check_command(statement)


def _check_command(statement: str) -> None:
    command, first, second, *_ = [*_words(statement), "", "", ""]
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


def _words(statement: str) -> list[str]:
    """Return how a statement begins."""
    kept, at, depth = "", 0, 0
    while len(kept) < 100:
        found = (_INSIDE if depth else _OUTSIDE).search(statement, at)
        if not depth:
            kept += statement[at : found.start() if found else None] + " "
        if found is None:
            break
        at = found.end()
        if found[0] in ("/*", "*/"):  # They can stand in each other.
            depth += 1 if found[0] == "/*" else -1
        elif not found[0].startswith("--"):
            kept += found[0]
    return re.findall(r"\w+", kept.lower())
