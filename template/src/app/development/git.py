"""What git says of migrations: who has read them, and where those are that are not here."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

_ROOT = Path(__file__).parents[3]
_BASES = ("origin/HEAD", "origin/main", "main")


def is_merged(file: Path) -> bool:
    """Say whether a file is on the branch that others start from; not where there is none."""
    base = next((each for each in _BASES if _git("rev-parse", "--verify", each)), None)
    path = file.relative_to(_ROOT).as_posix()
    return base is not None and _git("cat-file", "-e", f"{base}:./{path}") is not None


def uncommitted(folders: Iterable[Path]) -> set[Path]:
    """Return the files below folders that are not committed as they stand; none where git does not know."""
    listed = _git(
        "status",
        "--porcelain",
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--",
        *map(str, folders),
    )
    top = _git("rev-parse", "--show-toplevel")
    if not listed or not top:
        return set()
    return {Path(top.strip(), entry[3:]) for entry in listed.split("\0") if entry}


def branches_with(revision: str, folder: Path) -> list[str]:
    """Return the branches on which a folder has had the migration of a revision."""
    name = f"{folder.relative_to(_ROOT).as_posix()}/{revision}_*.py"
    added = _git("log", "--all", "--format=%H", "--diff-filter=A", "--", name) or ""
    found: dict[str, None] = {}
    for commit in added.split():
        listed = _git("branch", "--all", "--contains", commit, "--format=%(refname:lstrip=2)") or ""
        found.update(dict.fromkeys(each for each in listed.splitlines() if "HEAD" not in each))
    return list(found)


def _git(*arguments: str) -> str | None:
    """Return what git prints, or None where it fails or is not there."""
    try:
        done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True)
    except OSError:
        return None
    return None if done.returncode else done.stdout
