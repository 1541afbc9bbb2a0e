"""The files of a repository as they are now, and lines in them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from scaffold import objects

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
    """Read all files that git has or would take; of links and submodules, nothing."""
    listed = objects.plumb(
        *("ls-files", "-z", "--cached", "--others", "--exclude-standard"), cwd=root
    )
    paths = sorted({os.fsdecode(path) for path in listed.split(b"\0")[:-1]})
    files = {path: root / path for path in paths}
    return {
        path: file.read_bytes()
        for path, file in files.items()
        if file.is_file() and not file.is_symlink()
    }


def is_text(content: bytes) -> bool:
    """Tell whether a file is for reading, as git does."""
    return b"\0" not in content[:8000]
