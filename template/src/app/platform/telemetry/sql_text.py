"""Statements and conditions as they may be shown: in one line, and without values.

Postgres keeps statements with `$1` in the place of constants, but not always: one that a connection
has parsed under another module's role is kept as it was sent.
"""

import re

_WITHHELD = "…"
_PARTS = re.compile(
    r"""
      (?P<name>"(?:[^"]|"")*")
    | (?P<type>::\s*[a-z]+\(\d+(?:,\s*\d+)?\))
    | (?P<comment>--[^\n]* | /\*.*?\*/)
    | (?P<string>e'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | \$(?P<tag>[a-z_]\w*|)\$.*?\$(?P=tag)\$)
    | (?P<number>(?<![\w$.])(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?\b)
    | (?P<space>\s+)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


def without_values(text: str) -> str:
    """Return SQL in one line, with no string, number or comment that stands in it."""
    return _PARTS.sub(_shown, text).strip()


def _shown(part: re.Match[str]) -> str:
    match part.lastgroup:
        case "name" | "type":
            return part[0]
        case "string" | "tag":
            return f"'{_WITHHELD}'"
        case "number":
            return _WITHHELD
    return " "
