"""Which migrations the code has, read without running them and without Alembic.

A server asks this when it starts, and applies none.
"""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.platform.database import MigrationError


@dataclass(frozen=True, slots=True)
class Revisions:
    """The migrations of one history."""

    known: frozenset[str]
    heads: frozenset[str]
    """Those that no other one follows."""


def read_revisions(folder: Path) -> Revisions:
    """Read the migrations in a folder. Raises SyntaxError, and MigrationError where one has no name."""
    known, followed = set[str](), set[str]()
    for file in folder.glob("[!_.]*.py"):
        names = _assigned(file)
        revision, down = names.get("revision"), names.get("down_revision")
        if not isinstance(revision, str):
            raise MigrationError(f"{file} does not say which revision it is: write `revision = …`.")
        known.add(revision)
        followed.update([down] if isinstance(down, str) else down or ())
    return Revisions(frozenset(known), frozenset(known - followed))


def _assigned(file: Path) -> dict[str, Any]:
    """Return the texts that a migration assigns at its top."""
    found = {}
    for each in ast.parse(file.read_bytes(), str(file)).body:
        targets = each.targets if isinstance(each, ast.Assign) else ()
        if isinstance(each, ast.AnnAssign):
            targets = [each.target]
        for target in targets:
            if isinstance(target, ast.Name) and target.id in ("revision", "down_revision"):
                try:
                    found[target.id] = ast.literal_eval(each.value)
                except ValueError:
                    raise MigrationError(
                        f"{file}, line {each.lineno}: write {target.id} as it is, not as what makes it."
                    ) from None
    return found
