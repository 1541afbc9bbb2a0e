"""What a repository says: people, owners, which modules change together, which are busy."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from scaffold import codeowners, repository
from scaffold.deciding import committed
from scaffold.deciding.committed import History
from scaffold.deciding.metrics import Load
from scaffold.errors import ScaffoldError

_TOGETHER = 10
"""Commits to the less changed of two modules, from which a share means anything."""
_SHARE = 0.3
"""Share of those that touch the other as well, from which it is told."""
_PAIRS = 5
_BUSY = 0.5
"""Share of the database's time from which a module is named."""


@dataclass(frozen=True)
class Fact:
    """One thing that is known.

    Attributes:
        about: the question that it answers, or helps to.
        source: where it is from: git, CODEOWNERS, metrics.
        text: a sentence without its end.
        data: the same, for scripts.
    """

    about: str
    source: str
    text: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """All that is known.

    Attributes:
        answers: questions that are answered by it, unless somebody says otherwise.
        busiest: the module that takes most of the database's time, if one does.
    """

    found: Sequence[Fact] = ()
    answers: tuple[tuple[str, int], ...] = ()
    busiest: str = ""

    def about(self, question: str) -> list[Fact]:
        """What is known that bears on a question."""
        return [fact for fact in self.found if fact.about == question]


def gather(root: Path | None, load: Load | None) -> Facts:
    """Look at a repository, if there is one, and at its metrics, if they are given."""
    modules = _modules(root) if root else []
    history = committed.read(root, modules) if root and modules else None
    found: list[Fact] = []
    answers: dict[str, int] = {}
    if history and history.people:
        found.append(_people(history, modules))
        answers["engineers"] = len(history.people)
    source, owned = _owners(root, modules) if root else ("", {})
    if owned:
        found.append(_ownership(source, owned))
        answers["teams"] = len(set(owned.values()))
    found += _together(history) if history else []
    found += _loads(load) if load else []
    return Facts(tuple(found), tuple(answers.items()), _busiest(load) if load else "")


def _modules(root: Path) -> list[str]:
    folder = root / repository.MODULES
    return [
        name for name in repository.module_names(root) if (folder / name / "__init__.py").is_file()
    ]


def _people(history: History, modules: Sequence[str]) -> Fact:
    span = f"the last {history.commits:,} commits" if history.cut else "the last year"
    each = {name: len(history.by_module.get(name, ())) for name in modules}
    ranked = sorted(each.items(), key=lambda counted: -counted[1])
    busy = _few([f"{name} {number}" for name, number in ranked if number], 8)
    text = f"{_count(len(history.people), 'person', 'people')} committed in {span}"
    data = {"committers": len(history.people), "by_module": each, "commits": history.commits}
    return Fact("engineers", "git", text + (f" ({busy})" if busy else ""), data)


def _owners(root: Path, modules: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Who owns each module: by CODEOWNERS, or for want of it by its module.toml."""
    file = codeowners.find(root)
    try:
        lines = file.read_text("utf-8", "replace") if file.is_file() else ""
    except OSError:
        lines = ""
    folder = repository.MODULES.as_posix()
    paths = {name: f"{folder}/{name}/__init__.py" for name in modules}
    by_path = codeowners.owners_of(lines, paths.values())
    found = {name: by_path[path] for name, path in paths.items()}
    source = "CODEOWNERS" if any(found.values()) else "module.toml"
    for name in [name for name, owner in found.items() if not owner]:
        with suppress(ScaffoldError):  # What is wrong with it, other commands say.
            found[name] = repository.read_settings(root / folder / name)["owner"]
    return source, {name: owner for name, owner in found.items() if owner}


def _ownership(source: str, owned: dict[str, str]) -> Fact:
    theirs: dict[str, list[str]] = {}
    for name, owner in owned.items():
        theirs.setdefault(owner, []).append(name)
    ranked = sorted(theirs.items(), key=lambda held: (-len(held[1]), held[0]))
    listed = _few([f"{owner}: {_few(names, 4)}" for owner, names in ranked], 8, "; ")
    text = f"{_count(len(theirs), 'owner')} of {_count(len(owned), 'module')} ({listed})"
    return Fact("teams", source, text, {"owners": owned})


def _together(history: History) -> Iterator[Fact]:
    """Pairs of modules that change in the same commits, the closest first."""
    pairs = []
    for one, other in combinations(sorted(history.changes), 2):
        first, second = history.changes[one], history.changes[other]
        rarer, both = min(len(first), len(second)), len(first & second)
        if rarer >= _TOGETHER and both / rarer >= _SHARE:
            less, more = (one, other) if len(first) <= len(second) else (other, one)
            pairs.append((both / rarer, both, rarer, less, more))
    for share, both, rarer, less, more in sorted(pairs, reverse=True)[:_PAIRS]:
        text = f"{both} of {rarer} commits to {less} change {more} too ({share:.0%})"
        data = {"modules": [less, more], "commits": rarer, "both": both}
        yield Fact("products", "git", f"{text}: no line to cut along", data)


def _loads(load: Load) -> Iterator[Fact]:
    total = sum(load.seconds.values())
    if total:
        text = ", ".join(
            f"{name} {seconds / total:.0%}" for name, seconds in _most(load.seconds, total)
        )
        yield Fact(
            "hurts", "metrics", f"the database's time by module: {text}", {"seconds": load.seconds}
        )
    total = sum(load.calls.values())
    if total:
        text = ", ".join(f"{name} {calls:,.0f}" for name, calls in _most(load.calls, total))
        yield Fact("scaling", "metrics", f"calls by module: {text}", {"calls": load.calls})
    elif not any(load.seconds.values()):
        yield Fact("hurts", "metrics", "no module has done anything yet", {})


def _most(values: dict[str, float], total: float) -> list[tuple[str, float]]:
    """The largest, without those that are next to nothing."""
    ranked = sorted(values.items(), key=lambda each: (-each[1], each[0]))
    return [(name, value) for name, value in ranked[:6] if value / total >= 0.005]


def _busiest(load: Load) -> str:
    total = sum(load.seconds.values())
    name, most = max(load.seconds.items(), key=lambda each: each[1], default=("", 0.0))
    return name if total and most / total >= _BUSY and name != "platform" else ""


def _few(parts: Sequence[str], most: int, between: str = ", ") -> str:
    more = [f"{len(parts) - most} more"] if len(parts) > most else []
    return between.join([*parts[:most], *more])


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or f'{one}s'}"
