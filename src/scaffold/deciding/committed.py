"""Who committed in the last year, and which modules they changed: one bounded `git log`."""

import re
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from scaffold import git, repository
from scaffold.errors import ScaffoldError

COMMITS = 10_000
"""The newest that are read. It takes about a second, however long the history is."""
_YEAR = 365.25 * 86_400
_SWEEP = 3
"""Modules that one commit may touch: more are an update or a reformatting, which couple nothing."""
_ROBOT = re.compile(r"\[bot\]|^(?:renovate|dependabot|github-actions|gitlab-ci)\b", re.IGNORECASE)
_LOG = (
    "-c",
    "core.quotePath=false",
    "-c",
    "log.follow=false",
    "-c",
    "log.showSignature=false",
    "log",
    "--no-merges",
    "--no-renames",
    "--no-color",
    "--name-only",
    "--relative",
    "--format=%x00%ct%x00%aN%x00%aE",
    f"--max-count={COMMITS}",
    "HEAD",
    "--",
    ".",
)


@dataclass
class History:
    """What was committed, by people.

    Attributes:
        commits: how many there were.
        cut: whether there were more.
        people: who they are of.
        by_module: who changed a module.
        changes: the commits that changed a module, without those that swept through many.
    """

    commits: int = 0
    cut: bool = False
    people: set[str] = field(default_factory=set)
    by_module: dict[str, set[str]] = field(default_factory=dict)
    changes: dict[str, set[int]] = field(default_factory=dict)


def read(root: Path, modules: Collection[str]) -> History | None:
    """Read the last year. Nothing without a repository or git, or where history was cut off."""
    try:
        git.need()
    except ScaffoldError:
        return None
    shallow = git.call("rev-parse", "--is-shallow-repository", cwd=root)
    if shallow.stdout.strip() != "false":
        return None  # A shallow clone would name whoever pushed last.
    done = git.call(*_LOG, cwd=root)
    return _parse(done.stdout, modules) if done.returncode == 0 else None


def _parse(log: str, modules: Collection[str]) -> History:
    history, same = History(), _Same()
    since = time.time() - _YEAR
    prefix = f"{repository.MODULES.as_posix()}/"
    parts = log.split("\0")[1:]  # The one character that no name has.
    for when, name, rest in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        address, *paths = rest.split("\n")
        # Not by git's --since: it stops at the first commit whose clock was wrong.
        if int(when) < since:
            continue
        history.commits += 1
        if _ROBOT.search(name):
            continue
        history.people.add(same.join(name.casefold(), address.casefold()))
        touched = {
            path.removeprefix(prefix).partition("/")[0] for path in paths if path.startswith(prefix)
        }.intersection(modules)
        for module in touched:
            history.by_module.setdefault(module, set()).add(name.casefold())
            if len(touched) <= _SWEEP:
                history.changes.setdefault(module, set()).add(history.commits)
    history.people = set(map(same.first, history.people))
    history.by_module = {
        module: set(map(same.first, names)) for module, names in history.by_module.items()
    }
    history.cut = history.commits == COMMITS
    return history


class _Same:
    """Names and addresses of one person, who may have several addresses, and spellings."""

    def __init__(self) -> None:
        self._before: dict[str, str] = {}

    def first(self, known: str) -> str:
        """What stands for all that is joined with it."""
        while (before := self._before.get(known, known)) != known:
            known = before
        return known

    def join(self, name: str, address: str) -> str:
        """Take both for one person. An address that is missing is nobody's."""
        if address:
            self._before[self.first(address)] = self.first(name)
        return name
