"""How well a repository fits what a template makes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scaffold.reader import Files
from scaffold.repository import ANSWERS, MODULE_ANSWERS

_MISSING = 0.1


@dataclass
class Fit:
    """A comparison.

    Attributes:
        equal: how many files are as they were rendered.
        edited: the files that differ, each with how much of it is the same: 0 to 1.
        missing: the files that are not there.
    """

    equal: int = 0
    edited: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many files the template makes."""
        return self.equal + len(self.edited) + len(self.missing)

    @property
    def share(self) -> float:
        """How much of what the template makes is there: 0 to 1."""
        return (self.equal + sum(self.edited.values())) / max(self.total, 1)

    @property
    def score(self) -> float:
        """What tells two versions apart: what is left out may be left out of each."""
        return self.equal + sum(self.edited.values()) - _MISSING * len(self.missing)

    @property
    def margin(self) -> float:
        """What tells two kinds of modules apart: one of which too much is missing is not it."""
        return 2 * (self.equal + sum(self.edited.values())) - self.total


def compare(
    made: Files, contents: Mapping[str, bytes], folder: str = "", others: Iterable[str] = ()
) -> Fit:
    """Compare rendered files with those that are there.

    Args:
        made: the files, by path below `folder`.
        contents: the files that are there, by path.
        folder: in which they are looked for.
        others: folders of the rendered files that are not looked at.
    """
    found, passed = Fit(), tuple(others)
    for path, file in made.items():
        if path in (ANSWERS, MODULE_ANSWERS) or (passed and path.startswith(passed)):
            continue
        mine = contents.get(folder + path)
        if mine is None:
            found.missing.append(folder + path)
        elif mine == file.content:
            found.equal += 1
        else:
            found.edited[folder + path] = _alike(mine, file.content)
    return found


def _alike(mine: bytes, made: bytes) -> float:
    """How many lines of both are in the other one."""
    ours, theirs = _lines(mine), _lines(made)
    return 2 * (ours & theirs).total() / max(ours.total() + theirs.total(), 1)


def _lines(content: bytes) -> "Counter[bytes]":
    lines: Sequence[bytes] = content.splitlines()
    return Counter(line for line in lines if line.strip())
