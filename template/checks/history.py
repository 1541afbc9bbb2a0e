"""What git says: how this working tree differs from a base such as `origin/main`."""

import re
import shutil
import subprocess
import sys
from typing import NamedTuple

from checks.source import ROOT

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Change(NamedTuple):
    """A file that differs. The status is git's letter: A for added, M for modified, D for deleted."""

    status: str
    path: str


def changes_since(base: str) -> list[Change] | None:
    """Return what changed since this branch left `base`, with what is not committed yet.

    Paths begin here, where this repository is a folder of a bigger one.
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
    fork = _git("merge-base", base, "HEAD")
    if fork is None:
        raise SystemExit(
            f"{base} and this branch have no commit in common. If this is a shallow clone, fetch "
            "the rest: git fetch --unshallow"
        )
    # A rename is a deletion and an addition: a migration that moves is both.
    listed = _git("diff", "--relative", "--name-status", "--no-renames", "-z", fork.strip()) or ""
    parts = listed.split("\0")
    changed = [Change(*pair) for pair in zip(parts[0:-1:2], parts[1::2], strict=True)]
    untracked = _git("ls-files", "--others", "--exclude-standard", "-z") or ""
    return changed + [Change("A", path) for path in untracked.split("\0") if path]


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
