"""The files of a repository as they are now, and lines in them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from scaffold import git, objects

_NOT_OURS = {".git", ".venv", ".tools", "node_modules", "__pycache__"}

Contents = Mapping[str, bytes]
"""What stands in each file, by path."""


class Place(NamedTuple):
    """A line, and what is there."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


def read(root: Path) -> dict[str, bytes]:
    """Read all files that git has or would take; of links and submodules, nothing.

    Outside of git, all but what git would not be given.
    """
    found = {}
    for path in sorted(_paths(root)):
        file = root / path
        if file.is_file() and not file.is_symlink():
            found[path] = file.read_bytes()
    return found


def _paths(root: Path) -> set[str]:
    if git.around(root):
        asked = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        return {os.fsdecode(path) for path in objects.plumb(*asked, cwd=root).split(b"\0")[:-1]}
    below = (file.relative_to(root) for file in root.rglob("*"))
    return {file.as_posix() for file in below if _NOT_OURS.isdisjoint(file.parts[:-1])}


def is_text(content: bytes) -> bool:
    """Tell whether a file is for reading, as git does."""
    return b"\0" not in content[:8000]
