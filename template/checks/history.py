"""What git says: how this working tree differs from a base such as `origin/main`."""

import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from checks.source import ROOT

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Change(NamedTuple):
    """A file that differs. The status is git's letter: A for added, M for modified, D for deleted."""

    status: str
    path: str


def fork_of(base: str) -> str | None:
    """Return the commit at which this branch left `base`.

    None where there is nothing to compare with: no base, or a commit that is not here. That is
    what a pipeline hears of the first push (all zeros), and of one that replaced what was there.
    Exits with one sentence where git does not know a name, or the two have no history in common.
    """
    if not base:
        return None
    if _git("rev-parse", "--quiet", "--verify", base + "^{commit}") is None:
        if _COMMIT.fullmatch(base):
            print(f"The commit {base} is not here: everything counts as new.", file=sys.stderr)
            return None
        raise SystemExit(f"git knows no {base!r}. Fetch it, or name another: base=main.")
    fork = merge_base(base, "HEAD")
    if fork is None:
        raise SystemExit(
            f"{base} and this branch have no commit in common. If this is a shallow clone, fetch "
            "the rest: git fetch --unshallow"
        )
    return fork


def changes_since(base: str) -> list[Change] | None:
    """Return what changed since this branch left `base`, with what is not committed yet.

    Paths begin here, where this repository is a folder of a bigger one.
    None where there is nothing to compare with. Exits with one sentence, as `fork_of` does.
    """
    fork = fork_of(base)
    if fork is None:
        return None
    # A rename is a deletion and an addition: a migration that moves is both.
    listed = _git("diff", "--relative", "--name-status", "--no-renames", "-z", fork) or ""
    parts = listed.split("\0")
    changed = [Change(*pair) for pair in zip(parts[0:-1:2], parts[1::2], strict=True)]
    untracked = _git("ls-files", "--others", "--exclude-standard", "-z") or ""
    return changed + [Change("A", path) for path in untracked.split("\0") if path]


def merge_base(one: str, other: str) -> str | None:
    """Return the newest commit that both have; None where there is none."""
    found = _git("merge-base", one, other)
    return found and found.strip()


def commits_since(fork: str, *paths: str) -> list[str]:
    """Return the commits of this branch that changed one of these paths, newest first.

    What a merge brought is the merge's.
    """
    return (_git("rev-list", "--first-parent", f"{fork}..HEAD", "--", *paths) or "").split()


def is_committed(*paths: str) -> bool:
    """Say whether these paths are as the newest commit has them."""
    return not _git("status", "--porcelain", "--", *paths)


def subject_of(commit: str) -> str:
    """Return a commit as people name it: `1a2b3c4 "Charge in cents"`."""
    return (_git("log", "-1", '--format=%h "%s"', commit) or commit).strip()


def newest_tag(commit: str, pattern: str) -> str | None:
    """Return the newest tag of that form that a commit has behind it; None where there is none."""
    found = _git("describe", "--tags", "--abbrev=0", "--match", pattern, commit)
    return found and found.strip()


def read_at(commit: str, path: str) -> str | None:
    """Return a file as it was then; None where it was not there."""
    return _git("show", f"{commit}:./{path}")


def extract(commit: str, paths: Sequence[str], folder: Path) -> bool:
    """Write these paths of a commit to a folder; say whether they were all there."""
    archive = folder / "archive.tar"
    if _git("archive", f"--output={archive}", commit, *paths) is None:
        return False
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return True


def changes_since_delivery() -> list[Change]:
    """Return what differs from the commit that brought what the template has delivered last.

    That is where `_commit` changed in what it was answered. Nothing where git does not know.
    """
    if shutil.which("git") is None:
        return []
    delivered = _git("log", "-1", "--format=%H", "-G", "^_commit:", "--", ".copier-answers.yml")
    return changes_since((delivered or "").strip()) or []


def _git(*arguments: str) -> str | None:
    """Return what git prints, or None where it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        raise SystemExit("git is not installed, and what changed is asked of it.") from None
    return None if done.returncode else done.stdout
