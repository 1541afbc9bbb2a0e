"""What the console shows: the latest traces and lines of this process, kept in memory."""

import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Lock

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from app.development.console.parts import Line, line_of, Part, part_of, Trace

_TRACES = 200
_PARTS = 50_000
"""Spans and lines, of all traces together."""
_PARTS_OF_ONE = 1_000
"""Of one trace; what comes then is counted, and left out."""
_LINES = 1_000
"""Lines that belong to no trace."""
_STATEMENTS = 1_000
"""Different statements that are added up."""


@dataclass
class Traffic:
    """What a module did since the process began."""

    requests: int = 0
    failed_requests: int = 0
    calls: int = 0
    jobs: int = 0
    failed_jobs: int = 0
    statements: int = 0
    statement_seconds: float = 0


@dataclass
class Statement:
    """A statement of a module, all times it ran since the process began."""

    module: str
    text: str
    count: int = 0
    seconds: float = 0
    longest: float = 0
    trace_id: str = ""
    """Where it took longest."""


class Recorder(SpanProcessor):
    """Takes every span that ends, and every line that is logged; forgets the oldest."""

    def __init__(self) -> None:
        self.handler = _Handler(self)
        """For the root logger."""
        self.began = time.time()
        self._traces: dict[str, Trace] = {}
        self._loose: deque[Line] = deque(maxlen=_LINES)
        self._traffic: dict[str, Traffic] = {}
        self._statements: dict[tuple[str, str], Statement] = {}
        self._parts = 0
        self._lock = Lock()

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span."""
        if span.context is None:
            return
        part = part_of(span)
        with self._lock:
            trace = self._trace(f"{span.context.trace_id:032x}")
            self._count(part, trace.id)
            if self._has_room(trace):
                trace.parts.append(part)

    def add(self, line: Line) -> None:
        """Keep a line."""
        with self._lock:
            if line.trace_id is None:
                self._loose.append(line)
            elif self._has_room(trace := self._trace(line.trace_id)):
                trace.lines.append(line)

    def traces(self) -> list[Trace]:
        """Return the traces that have spans, the newest first."""
        with self._lock:
            return [_copy(each) for each in reversed(self._traces.values()) if each.parts]

    def trace(self, id: str) -> Trace | None:
        """Return one trace, or None where it is not here, or not any more."""
        with self._lock:
            found = self._traces.get(id)
            return _copy(found) if found else None

    def lines(self) -> list[Line]:
        """Return all lines, the newest first."""
        with self._lock:
            kept = [*self._loose, *(line for each in self._traces.values() for line in each.lines)]
        return sorted(kept, key=lambda line: line.at, reverse=True)

    def traffic(self) -> dict[str, Traffic]:
        """Return what each module did, by its name."""
        with self._lock:
            return {module: replace(each) for module, each in self._traffic.items()}

    def statements(self) -> list[Statement]:
        """Return what was sent to the database, what took most of the time first."""
        with self._lock:
            kept = [replace(each) for each in self._statements.values()]
        return sorted(kept, key=lambda each: each.seconds, reverse=True)

    def _trace(self, id: str) -> Trace:
        if id not in self._traces:
            self._traces[id] = Trace(id)
            if len(self._traces) > _TRACES:
                self._forget_oldest()
        return self._traces[id]

    def _has_room(self, trace: Trace) -> bool:
        if len(trace.parts) + len(trace.lines) >= _PARTS_OF_ONE:
            trace.left_out += 1
            return False
        self._parts += 1
        while self._parts > _PARTS:
            self._forget_oldest()
        return True

    def _forget_oldest(self) -> None:
        oldest = self._traces.pop(next(iter(self._traces)))
        self._parts -= len(oldest.parts) + len(oldest.lines)

    def _count(self, part: Part, trace_id: str) -> None:
        traffic = self._traffic.setdefault(part.module, Traffic())
        failed = part.error is not None
        if part.kind == "request":
            traffic.requests += 1
            traffic.failed_requests += failed
        elif part.kind == "job":
            traffic.jobs += 1
            traffic.failed_jobs += failed
        elif part.kind == "call":
            traffic.calls += 1
        elif part.kind == "sql":
            traffic.statements += 1
            traffic.statement_seconds += part.seconds
            self._add_up(part, trace_id)

    def _add_up(self, part: Part, trace_id: str) -> None:
        key = part.module, str(part.attributes.get("db.query.text", part.name))
        if key not in self._statements and len(self._statements) >= _STATEMENTS:
            return
        statement = self._statements.setdefault(key, Statement(*key))
        statement.count += 1
        statement.seconds += part.seconds
        if part.seconds >= statement.longest:
            statement.longest, statement.trace_id = part.seconds, trace_id


class _Handler(logging.Handler):
    """Hands each line that is logged to the recorder."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        with suppress(Exception):  # What is wrong with a line stands in the log.
            self._recorder.add(line_of(record))


def _copy(trace: Trace) -> Trace:
    return replace(trace, parts=list(trace.parts), lines=list(trace.lines))
