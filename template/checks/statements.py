"""What a string of SQL touches."""

import logging
import re
from collections.abc import Iterator
from typing import NamedTuple

from sqlglot import exp, parse, Token, tokenize, TokenType
from sqlglot.errors import SqlglotError

_FRAMES = ("{}", "SELECT 1 ORDER BY {}")
"""`text()` takes parts of statements, too."""
_SQL_BEHIND = {TokenType.COMMAND, TokenType.LOCK, TokenType.ALIAS, TokenType.EXECUTE}
"""A string behind one of these is SQL: `DO $$ … $$`, `CREATE FUNCTION … AS '…'`."""
_TAKE_NAMES = {"NEXTVAL", "SETVAL", "CURRVAL", "TO_REGCLASS"}
_SETTING = re.compile(
    r"(?:^|\b(?:DO|AS|BEGIN|THEN|ELSE|LOOP|EXECUTE) |; )(?:RE)?SET (?:LOCAL |SESSION )*"
    r"(?:ROLE|AUTHORIZATION|SEARCH_PATH)\b"
    r"|\bSET_CONFIG \( (?:ROLE|SESSION_AUTHORIZATION|SEARCH_PATH)\b"
)

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # It warns of statements it reads as tokens.


class Statement(NamedTuple):
    """What a text of SQL touches."""

    schema: frozenset[str]
    """Where its tables stand."""
    mention: frozenset[str]
    """What else stands before a dot, as in `billing.fee(1)`: a schema, or a variable."""
    setting: frozenset[str]
    """Which settings it changes, of those that say who speaks and where: `SET ROLE`."""


class UnreadableError(Exception):
    """The text is not SQL as Postgres speaks it, or only a part of it."""


def read_statement(sql: str) -> Statement:
    """Read one or more statements, or an expression. Raises UnreadableError."""
    try:
        tokens = _tokens(sql)
        parsed = _parse(sql)
    except SqlglotError as error:
        raise UnreadableError(str(error)) from None
    words = [token.text.upper() for token in tokens]
    places = [node for each in parsed for node in each.find_all(exp.Table, exp.Column)]
    local = [node for each in parsed for node in each.find_all(exp.Table, exp.TableAlias)]
    return Statement(
        schema=frozenset(node.text("db").lower() for node in places if node.text("db")),
        mention=frozenset(_mentions(words)) - {node.name.lower() for node in local},
        setting=frozenset(_SETTING.findall(" ".join(words))),
    )


def _parse(sql: str) -> list[exp.Expr]:
    for frame in _FRAMES:
        try:
            return [each for each in parse(frame.format(sql), dialect="postgres") if each]
        except SqlglotError as error:
            failure = error
    raise failure


def _tokens(sql: str) -> list[Token]:
    """Cut SQL into tokens, the SQL in its strings included."""
    tokens = tokenize(sql, dialect="postgres")
    flat: list[Token] = []
    for number, token in enumerate(tokens):
        before, behind = tokens[max(0, number - 2) : number], tokens[number + 1 : number + 3]
        flat += _tokens(token.text) if _is_sql(token, before, behind) else [token]
    return flat


def _is_sql(token: Token, before: list[Token], behind: list[Token]) -> bool:
    if token.token_type is not TokenType.STRING:
        return token.token_type is TokenType.HEREDOC_STRING
    if before and before[-1].token_type in _SQL_BEHIND:
        return True
    cast = "".join(each.text.upper() for each in behind)
    return cast.startswith("::REG") or (bool(before) and before[0].text.upper() in _TAKE_NAMES)


def _mentions(words: list[str]) -> Iterator[str]:
    for before, word, behind in zip(["", *words], words, [*words[1:], ""], strict=False):
        if (behind == "." and before != ".") or before == "SCHEMA":
            yield word.lower()
