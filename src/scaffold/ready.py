"""Whether a repository is in the middle of something."""

import os
from pathlib import Path

from scaffold import objects
from scaffold.errors import ScaffoldError


def checked_out(root: Path) -> tuple[str, str]:
    """The commit that is checked out, and the folder in it that a repository is; mostly "".

    Raises:
        ScaffoldError: where nothing is committed, or git does not look.
    """
    asked = ("rev-parse", "--show-prefix", "HEAD^{commit}")
    code, said = objects.run(*asked, cwd=root, allowed=range(256))
    if code:
        objects.plumb("rev-parse", "--git-dir", cwd=root)  # It says what is wrong with that.
        raise ScaffoldError(f"{root} has no commit yet; commit it first, so that nothing is lost")
    prefix, _, commit = os.fsdecode(said).rstrip("\n").rpartition("\n")
    return commit, prefix


def check_idle(root: Path) -> None:
    """Refuse to write where a merge, or another git, is at work."""
    names = ["index.lock", *_IN_PROGRESS]
    asked = [part for name in names for part in ("--git-path", name)]
    places = os.fsdecode(objects.plumb("rev-parse", *asked, cwd=root)).splitlines()
    there = {name: root / place for name, place in zip(names, places, strict=True)}
    for name, what in _IN_PROGRESS.items():
        if there[name].exists():
            raise ScaffoldError(f"a {what} is in progress in {root}; end it first (git status)")
    if (lock := there["index.lock"]).exists():
        raise ScaffoldError(
            f"{lock} is there: another git is at work, or one was killed; wait for it, or remove "
            "the file"
        )


_IN_PROGRESS = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick, or an update with conflicts",
    "REVERT_HEAD": "revert",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "BISECT_LOG": "bisect",
}
