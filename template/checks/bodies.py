"""What a body in PL/pgSQL touches: `DO $$ … $$`, `CREATE FUNCTION … AS '…'`.

It is read word by word, since what stands between its statements is not SQL.
"""

import re
from collections.abc import Iterator

from postgast import pg_query_pb2, PgQueryError, scan

_AT_A_START = r"(?:^|\b(?:BEGIN|THEN|ELSE|LOOP) |; )"
_REFUSED = {
    "speaker": re.compile(
        rf"{_AT_A_START}((?:RE)?SET (?:LOCAL |SESSION )*(?:ROLE|AUTHORIZATION|SEARCH_PATH)\b"
        r"|RESET ALL\b)|\b(SET_CONFIG) \("
    ),
    "transaction": re.compile(rf"{_AT_A_START}(COMMIT|ROLLBACK)\b"),
    "grant": re.compile(rf"{_AT_A_START}(GRANT|REVOKE|REASSIGN|ALTER DEFAULT PRIVILEGES)\b"),
}
_DYNAMIC = re.compile(r"\bEXECUTE (?!FUNCTION|PROCEDURE|ON)(?!STRING (?:;|INTO|USING))")
_NAME = re.compile(r'\s*"?(\w+)"?\s*\.\s*"?\w+"?\s*(\(.*\))?\s*', re.DOTALL)
_QUOTES = re.compile(r"E?'(.*)'|\$(\w*)\$(.*)\$\2\$", re.DOTALL | re.IGNORECASE)


def read_body(body: str) -> Iterator[tuple[str, str]]:
    """Yield kinds and values as `read_statement` returns them."""
    try:
        words = list(_words(body))
    except (PgQueryError, ValueError):
        yield "unread", "a body"
        return
    flat = " ".join("STRING" if kind == "SCONST" else word.upper() for kind, word in words)
    for kind, pattern in _REFUSED.items():
        for found in pattern.finditer(flat):
            yield kind, next(each for each in found.groups() if each)
    if _DYNAMIC.search(flat):
        yield "unread", "EXECUTE"
    before = ""
    for (kind, word), (_, behind) in zip(words, [*words[1:], ("", "")], strict=True):
        if kind == "SCONST":
            if before == "EXECUTE":
                yield from read_body(word)
            elif name := _NAME.fullmatch(word):
                yield "mention", name[1].lower()
        elif behind == "." and before != ".":
            yield "mention", word.lower()
        before = word.upper()


def _words(body: str) -> Iterator[tuple[str, str]]:
    """Yield each word with what it is; a string without its quotes."""
    raw = body.encode()
    for token in scan(body).tokens:
        kind = pg_query_pb2.Token.Name(token.token)
        word = raw[token.start : token.end].decode()
        if kind in ("SQL_COMMENT", "C_COMMENT"):
            continue
        if kind == "SCONST" and (quoted := _QUOTES.fullmatch(word)):
            yield kind, (quoted[1] or quoted[3] or "").replace("''", "'")
        else:
            yield kind, word.strip('"')
