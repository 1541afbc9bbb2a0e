"""What a check is, and what it says. Its id is a public contract: it keeps its meaning."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from scaffold.doctor.seen import Seen


class NotKnownError(Exception):
    """A check cannot be made, for a reason that is none of the repository's faults."""


@dataclass(frozen=True)
class Finding:
    """One thing that is off the path.

    Attributes:
        what: is off, in a sentence.
        todo: about it, in a sentence.
        command: that does it, if there is one.
        places: the files, some with `:line`.
        details: the same for scripts.
    """

    what: str
    todo: str
    command: str | None = None
    places: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """Something to look at.

    Attributes:
        id: by which it is known for ever.
        name: what it looks for.
        severity: an error is broken, or will break; advice is everything else.
        why: it matters.
        look: finds what is off.
    """

    id: str
    name: str
    severity: Literal["error", "advice"]
    why: str
    look: Callable[["Seen"], Iterable[Finding]]
