"""Which file moved where: in the template between two versions, and in a repository since its last.

Nothing is left for git's merge to guess: every move that counts is found here, and told. One of a
file of a few lines never counts, since any other such file looks like it; nor does one from a
module to another, whose files are alike by birth.
"""

import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePosixPath

from scaffold import objects
from scaffold.repository import MODULES

Moves = dict[str, str]
"""The new path of each file that moved, by its old one."""

_ALIKE = "-M50%"
SHORT = 5
"""A file with fewer lines is never followed."""


def in_template(repository: Path, old: str, new: str, still_there: Collection[str]) -> Moves:
    """Follow the template's files from one commit to a later one, commit by commit.

    Each step is small, so that a file is found again which changed too much on the whole way.
    `still_there` holds the paths at the new commit.
    """
    is_ahead = objects.contains(repository, new, old)
    steps = _steps(repository, old, new) if is_ahead else [_renames(repository, old, new)]
    moved: Moves = {}
    for step in steps:
        came_from = {now: first for first, now in moved.items()}
        for before, after in step.items():
            if after in came_from and after not in step:  # What had come there is gone since.
                moved.pop(came_from[after], None)
            moved[came_from.get(before, before)] = after
    return {
        first: now
        for first, now in moved.items()
        if now in still_there and first not in still_there
    }


def _steps(repository: Path, old: str, new: str) -> list[Moves]:
    printed = objects.plumb(
        *("-c", "diff.renameLimit=0", "-c", "log.showSignature=false"),
        "log",
        "--first-parent",
        "-m",
        "--reverse",
        "--diff-filter=R",
        _ALIKE,
        "--name-status",
        "-z",
        "--format=%x01",
        f"{old}..{new}",
        cwd=repository,
    )
    return [_read(step) for step in printed.split(b"\x01")]


def _renames(repository: Path, old: str, new: str) -> Moves:
    printed = objects.plumb(
        "-c",
        "diff.renameLimit=0",
        "diff-tree",
        "-r",
        "-z",
        "--diff-filter=R",
        _ALIKE,
        "--name-status",
        old,
        new,
        cwd=repository,
    )
    return _read(printed)


def _read(printed: bytes) -> Moves:
    words = [os.fsdecode(word) for word in printed.strip(b"\0\n").split(b"\0")]
    return {
        words[at + 1]: words[at + 2]
        for at in range(0, len(words) - 2, 3)
        if words[at].strip().startswith("R")
    }


def in_repository(scratch: Path, rendered: str, now: str, lines: Callable[[str], int]) -> Moves:
    """Find what a team has moved.

    Args:
        scratch: a repository that has both trees.
        rendered: the tree that the template made.
        now: the team's tree.
        lines: how many lines a rendered file has.
    """
    return {
        before: after
        for before, after in _renames(scratch, rendered, now).items()
        if lines(before) >= SHORT and _module(before) in (None, _module(after))
    }


def that_fit(moves: Moves, tree: Collection[str]) -> Moves:
    """Leave out the moves that two files of a tree would need one place for.

    A move of a file that the tree does not have needs none.
    """
    fit = {old: new for old, new in moves.items() if old in tree}
    while True:
        files = Counter(fit.get(path, path) for path in tree)
        folders = {parent for path in files for parent in _parents(path)}
        wrong = {
            old
            for old, new in fit.items()
            if files[new] > 1 or new in folders or any(each in files for each in _parents(new))
        }
        if not wrong:
            return {old: new for old, new in moves.items() if old in fit or old not in tree}
        fit = {old: new for old, new in fit.items() if old not in wrong}


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts))]


def _module(path: str) -> str | None:
    parts = PurePosixPath(path).parts
    depth = len(MODULES.parts)
    return parts[depth] if parts[:depth] == MODULES.parts and len(parts) > depth + 1 else None


def of_folders(moves: Moves, rendered: Mapping[str, object], now: Mapping[str, object]) -> Moves:
    """Find the folders that a team has moved as a whole: where the template's new files belong.

    A folder counts if all of its files that are still there went to the same place, and no file
    stands in it any more.
    """
    found: Moves = {}
    for before, after in sorted(moves.items()):
        old, new = PurePosixPath(before), PurePosixPath(after)
        while old.name == new.name and len(old.parts) > 1:
            old, new = old.parent, new.parent
            folder, place = f"{old}/", "" if str(new) == "." else f"{new}/"
            if folder in found or folder == place:
                continue
            if any(path.startswith(folder) for path in now):
                break
            gone = [path for path in rendered if path.startswith(folder)]
            if all(
                moves.get(path, place + path.removeprefix(folder))
                == place + path.removeprefix(folder)
                for path in gone
            ):
                found[folder] = place
    return found


def follow_folder(path: str, folders: Moves) -> str:
    """Return where a new file belongs, behind a folder that moved."""
    for folder in sorted(folders, key=len, reverse=True):
        if path.startswith(folder):
            return folders[folder] + path.removeprefix(folder)
    return path
