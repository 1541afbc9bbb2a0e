"""A trace as a waterfall: what it comes to, its spans as a tree, and where their bars stand."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.development.console.parts import Part, Trace

_FOLDED = 0.3
"""A pause in which nothing ran is folded where it is longer than this share of what did run."""
_FOLD_WIDTH, _FOLDS_WIDTH = 6.0, 40.0
"""Percent of the width: of one fold, and of all of them at most."""
_OFTEN = 5
"""A statement that one caller sends so many times looks like a loop of queries."""
_OFTEN_ON_PURPOSE = ("COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")


@dataclass(frozen=True)
class Summary:
    """A trace in one row."""

    id: str
    title: str
    method: str | None
    module: str
    status: int | None
    """Of the response, where it is a request's."""
    begun: float
    """Seconds since 1970."""
    seconds: float
    """How long the request took, or what else the trace began with."""
    whole: float
    """How long it took until the last of its jobs had ended."""
    modules: Sequence[str]
    statements: int
    attempts: int
    """To run jobs."""
    failed_attempts: int
    error: str | None
    """Of what the trace began with."""

    @property
    def is_failed(self) -> bool:
        """Whether somebody should look at it."""
        return bool(self.error or self.failed_attempts)


@dataclass(frozen=True)
class Fold:
    """A pause that is drawn shorter than it was, in percent of the width."""

    left: float
    width: float
    seconds: float


@dataclass(frozen=True)
class Row:
    """A span in the waterfall."""

    part: Part
    depth: int
    offset: float
    """Seconds after the trace began."""
    left: float
    width: float
    """Percent of the width."""


@dataclass(frozen=True)
class Waterfall:
    """The rows of a trace from top to bottom, and where nothing happened in between."""

    rows: Sequence[Row]
    folds: Sequence[Fold]


def summarize(trace: Trace) -> Summary:
    """Return a trace that has spans in short."""
    first = _first(trace.parts)
    attempts = [each for each in trace.parts if each.kind == "job"]
    route, method = first.attributes.get("http.route"), first.attributes.get("http.request.method")
    status = first.attributes.get("http.response.status_code")
    return Summary(
        id=trace.id,
        title=str(route or "(no route)")
        if method
        else str(first.attributes.get("job.name", first.name)),
        method=str(method) if method else None,
        module=first.module,
        status=status if isinstance(status, int) else None,
        begun=first.begun / 1e9,
        seconds=first.seconds,
        whole=(max(each.ended for each in trace.parts) - first.begun) / 1e9,
        modules=list(dict.fromkeys(each.module for each in _in_order(trace.parts))),
        statements=sum(each.kind == "sql" for each in trace.parts),
        attempts=len(attempts),
        failed_attempts=sum(each.error is not None for each in attempts),
        error=first.error,
    )


def draw(trace: Trace) -> Waterfall:
    """Return where each span of a trace stands. A span whose parent is not there stands outermost."""
    scale = _Scale(trace.parts)
    rows = [
        Row(
            part,
            depth,
            (part.begun - scale.begun) / 1e9,
            scale.at(part.begun),
            scale.at(part.ended) - scale.at(part.begun),
        )
        for part, depth in _tree(trace.parts)
    ]
    return Waterfall(rows, scale.folds)


def repeated(trace: Trace) -> list[tuple[Part, int]]:
    """Return statements that the same caller sent again and again, each with how often."""
    sent = Counter(
        (each.parent, each.name, each.attributes.get("db.query.text"))
        for each in trace.parts
        if each.kind == "sql" and not each.name.startswith(_OFTEN_ON_PURPOSE)
    )
    first = {
        (each.parent, each.name, each.attributes.get("db.query.text")): each
        for each in reversed(trace.parts)
    }
    return [(first[key], count) for key, count in sent.most_common() if count >= _OFTEN]


class _Scale:
    """Maps times to percent of the width; pauses are folded, what ran keeps its proportions."""

    def __init__(self, parts: Sequence[Part]) -> None:
        busy = _busy(parts)
        self.begun = busy[0][0]
        ran = sum(end - begin for begin, end in busy)
        pauses = [(end, begin) for (_, end), (begin, _) in pairwise(busy)]
        folded = [each for each in pauses if each[1] - each[0] > _FOLDED * ran]
        width = min(_FOLD_WIDTH, _FOLDS_WIDTH / max(len(folded), 1))
        shown = busy[-1][1] - self.begun - sum(end - begin for begin, end in folded)
        per_nanosecond = (100 - width * len(folded)) / max(shown, 1)
        self._stops: list[tuple[int, float]] = [(self.begun, 0.0)]
        self.folds: list[Fold] = []
        for begin, end in folded:
            time, left = self._stops[-1]
            left += (begin - time) * per_nanosecond
            self.folds.append(Fold(left, width, (end - begin) / 1e9))
            self._stops += [(begin, left), (end, left + width)]
        time, left = self._stops[-1]
        last = max(busy[-1][1], time + 1)
        self._stops.append((last, left + (last - time) * per_nanosecond))

    def at(self, time: int) -> float:
        """Return where a time stands."""
        for (earlier, left), (later, right) in pairwise(self._stops):
            if time <= later:
                share = (time - earlier) / max(later - earlier, 1)
                return left + share * (right - left)
        return self._stops[-1][1]


def _busy(parts: Iterable[Part]) -> list[tuple[int, int]]:
    """The times in which something ran, those that touch joined."""
    joined: list[tuple[int, int]] = []
    for part in _in_order(parts):
        if joined and part.begun <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], part.ended)
        else:
            joined.append((part.begun, part.ended))
    return joined


def _tree(parts: Sequence[Part]) -> list[tuple[Part, int]]:
    """Each span with its depth, below its parent, in the order of time."""
    known = {part.id for part in parts}
    children: dict[int | None, list[Part]] = {}
    for part in reversed(_in_order(parts)):
        above = part.parent if part.parent in known and part.parent != part.id else None
        children.setdefault(above, []).append(part)
    found: list[tuple[Part, int]] = []
    waiting = [(part, 0) for part in children.pop(None, [])]
    while waiting:
        part, depth = waiting.pop()
        found.append((part, depth))
        waiting += [(child, depth + 1) for child in children.pop(part.id, [])]
    return found


def _first(parts: Sequence[Part]) -> Part:
    """What a trace began with: its request, if it has one."""
    return min(parts, key=lambda each: (each.kind != "request", each.begun))


def _in_order(parts: Iterable[Part]) -> list[Part]:
    return sorted(parts, key=lambda each: (each.begun, -each.ended))
