"""What became of a repository in a run."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How a repository stands to the template."""

    CURRENT = "current"
    CLEAN = "clean"
    CONFLICT = "conflict"
    CHECK_FAILED = "check failed"
    REFUSED = "refused"
    NOT_REACHED = "not reached"


FAILED = (State.REFUSED, State.CHECK_FAILED, State.NOT_REACHED)
"""What `--only failed` takes up again, besides what waits for a wave."""


@dataclass
class Outcome:
    """A line of the table.

    Attributes:
        name: what the repository is called.
        given: its address, or its path.
        state: how it stands.
        version: of the template, that its default branch has.
        to: the version to come.
        behind: how far apart they are, in words.
        conflicts: the paths that somebody must merge.
        edited: the template's files that the team has changed, each with its hash.
        branch: that holds the update, or says that it conflicts.
        pull_request: its address.
        waits: whether it is left to the next wave.
        note: what else is to be known.
        log: what `make check` printed.
        error: what is wrong, in a sentence.
    """

    name: str
    given: str
    state: State = State.NOT_REACHED
    version: str = ""
    to: str = ""
    behind: str = ""
    conflicts: list[str] = field(default_factory=list)
    edited: dict[str, str] = field(default_factory=dict)
    branch: str = ""
    pull_request: str = ""
    waits: bool = False
    note: str = ""
    log: str = ""
    error: str = ""

    @property
    def is_open(self) -> bool:
        """Whether there is something left to do for a later run."""
        return self.waits or self.state in FAILED

    def as_dict(self) -> dict[str, Any]:
        """The same for scripts."""
        return asdict(self) | {"edited": sorted(self.edited)}
