"""Traces: what was done for one request or one job, wherever it ran, and how long each part took.

Requests, calls between modules, statements, jobs that are enqueued and attempts to run them are spans
by themselves. A module adds what else takes time:

    with span("geocode"):
        ...

Spans are begun here and not by the SDK's tracer, which takes six times as long for one; what has
ended is handed to the SDK as its `ReadableSpan` (see `trace_export`). Where a trace is not sampled,
or nobody wants any, there are no spans at all.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import getrandbits

from opentelemetry.trace import SpanContext, SpanKind

from app.platform.telemetry.context import Place, place, speaking
from app.platform.telemetry.deferral import deferred

Attribute = str | int | float | bool

_TRACE_PARENT = re.compile(
    "(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
"""https://www.w3.org/TR/trace-context/#traceparent-header"""
_HALF = 2**64


class Span(Place):
    """A part of the work that is recorded, from when it is made until `end`."""

    __slots__ = ("attributes", "begun", "context", "error", "failed", "kind", "name", "parent")

    is_recorded = True

    def __init__(
        self,
        trace_id: int,
        parent: Place | None,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Attribute],
    ) -> None:
        super().__init__(trace_id, getrandbits(64), True)
        self.parent, self.name, self.kind = parent, name, kind
        self.attributes: dict[str, Attribute] = {"module": speaking.get(), **attributes}
        self.context: SpanContext | None = None
        """What the SDK calls this span by, once it was asked for."""
        self.error: BaseException | None = None
        self.failed = False
        self.begun = time.time_ns()

    def end(self, error: BaseException | None = None, *, expected: bool = False) -> None:
        """Hand it on. An error that is `expected` is told of, and does not count as a failure."""
        if error is not None:
            self.error = error
            self.failed = not expected
        deferred.call(tracing.record, self, time.time_ns())


Exemplar = dict[str, str] | None


def exemplar_of(span: Span | None) -> Exemplar:
    """Return what leads from a number to a trace that is behind it."""
    return None if span is None else {"trace_id": f"{span.trace_id:032x}"}


Recorder = Callable[[Span, int], None]
"""Takes a span that has ended, and when: nanoseconds since 1970."""


class Tracing:
    """What this process does with spans: nothing, until somebody wants them."""

    def __init__(self) -> None:
        self.record: Recorder = _ignore
        self.is_on = False
        self._most = 0

    @contextmanager
    def on(self, record: Recorder, ratio: float) -> Iterator[None]:
        """Record, while the block lasts, this share of the traces that begin here, and all of those
        that others have begun and sampled."""
        self.record, self.is_on, self._most = record, True, int(ratio * _HALF)
        try:
            yield
        finally:
            self.record, self.is_on = _ignore, False

    def is_sampled(self, trace_id: int) -> bool:
        """Say whether a trace that begins here is recorded."""
        return trace_id % _HALF < self._most


def _ignore(_span: Span, _ended: int) -> None:
    """Do nothing."""


tracing = Tracing()
"""Of this process."""


def begin_trace(
    trace_parent: object, name: str, kind: SpanKind, attributes: Mapping[str, Attribute]
) -> Span | None:
    """Go to the place that a W3C `traceparent` names, or into a new trace where it names none.

    Returns the span to end, where the trace is recorded. The place is left when the task ends, or
    whoever calls this leaves it.
    """
    given = _parse(trace_parent)
    if not tracing.is_on:
        place.set(given)
        return None
    if given is None:
        trace_id = getrandbits(128)
        if not tracing.is_sampled(trace_id):
            place.set(Place(trace_id, getrandbits(64), False))
            return None
        span = Span(trace_id, None, name, kind, attributes)
    elif given.is_sampled:
        span = Span(given.trace_id, given, name, kind, attributes)
    else:
        place.set(given)
        return None
    place.set(span)
    return span


def begin(name: str, kind: SpanKind, attributes: Mapping[str, Attribute]) -> Span | None:
    """Begin a span under the one that the code runs in; None where that is not recorded."""
    if (here := recorded_place()) is None:
        return None
    return Span(here.trace_id, here, name, kind, attributes)


def recorded_place() -> Place | None:
    """Return where the code runs, if what it does there is recorded."""
    here = place.get()
    return here if here is not None and here.is_sampled and tracing.is_on else None


@contextmanager
def span(name: str, attributes: Mapping[str, Attribute] | None = None) -> Iterator[None]:
    """Show a part of the work in its trace. Attributes must hold no secrets, and nobody's data."""
    with inside(begin(name, SpanKind.INTERNAL, attributes or {})):
        yield


@contextmanager
def inside(span: Span | None) -> Iterator[None]:
    """Run the block in a span that has begun, where there is one, and end that."""
    if span is None:
        yield
        return
    token, error = place.set(span), None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        place.reset(token)
        span.end(error)


def _parse(trace_parent: object) -> Place | None:
    if not isinstance(trace_parent, str):
        return None
    parts = _TRACE_PARENT.fullmatch(trace_parent)
    if parts is None or (parts[1] == "00" and parts[5]):
        return None
    return Place(int(parts[2], 16), int(parts[3], 16), bool(int(parts[4], 16) & 1))
