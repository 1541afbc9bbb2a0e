"""What the checks find out about the SQL of a file, and reasons that leave it unread."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

from checks.names import Names

_REASON = re.compile(r"#\s*sql:\s*(.*)")


class Finding(NamedTuple):
    """Something about SQL, and where it stands."""

    line: int
    kind: str
    """As `read_statement` has them; `foreign key`, `no schema`, `setting`; `imported` and `imported
    schema`, where another file holds the text; `no reason`, and `no need` of one. Behind `unread` and
    `imported`, `, excused` says that there is a reason."""
    value: str = ""


class Reasons:
    """Comments that say why SQL may stay unread: `# sql: the names come from our own list`.

    Each is good for the statement that it stands in, and must be needed."""

    def __init__(self, names: Names, content: bytes) -> None:
        self._names = names
        self._at: dict[int, str] = {}
        self._used: set[int] = set()
        if b"sql:" in content:
            for token in tokenize.tokenize(io.BytesIO(content).readline):
                if token.type == tokenize.COMMENT and (found := _REASON.fullmatch(token.string)):
                    self._at[token.start[0]] = found[1].strip()

    def take(self, first: int, last: int) -> bool:
        """Say whether a reason stands at these lines, or in the statement that they are a part of."""
        if not self._at:
            return False
        for node in self._names.nodes:
            if (
                not isinstance(node, ast.stmt)
                or isinstance(node, ast.Match)
                or hasattr(node, "body")
            ):
                continue
            end = node.end_lineno or node.lineno
            if node.lineno <= first and last <= end:
                first, last = node.lineno, end
        found = {line for line, reason in self._at.items() if reason and first <= line <= last}
        self._used |= found
        return bool(found)

    def unused(self) -> Iterator[tuple[int, str]]:
        """Yield the line and text of each reason that nothing needed, and of those that are empty."""
        for line, reason in self._at.items():
            if line not in self._used:
                yield line, reason
