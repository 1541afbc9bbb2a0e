"""Which migrations the code has, read without running them.

A server asks this when it starts. Alembic, which is slow to import, is asked where one is written in a
way that cannot be read, and says what is wrong with it.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Revisions:
    """The migrations of one history."""

    known: frozenset[str]
    heads: frozenset[str]
    """Those that no other one follows."""


def read_revisions(folder: Path) -> Revisions | None:
    """Read the migrations in a folder; None where Alembic is to be asked."""
    known, followed = set[str](), set[str]()
    for file in folder.glob("*.py"):
        try:
            said = dict(_assigned(file))
            down = said["down_revision"]
            known.add(said["revision"])
            followed.update([down] if isinstance(down, str) else down or ())
        except (SyntaxError, ValueError, KeyError):
            return None
    if not followed <= known:
        return None
    return Revisions(frozenset(known), frozenset(known - followed))


def _assigned(file: Path) -> Iterator[tuple[str, str]]:
    for each in ast.parse(file.read_bytes()).body:
        if isinstance(each, ast.Assign | ast.AnnAssign) and each.value is not None:
            for target in each.targets if isinstance(each, ast.Assign) else [each.target]:
                if isinstance(target, ast.Name) and target.id in ("revision", "down_revision"):
                    yield target.id, ast.literal_eval(each.value)
