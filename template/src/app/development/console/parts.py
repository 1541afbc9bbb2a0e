"""What the console keeps: spans and lines, in its own words."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from app.platform.telemetry import Lines, PLATFORM

_KINDS = {SpanKind.SERVER: "request", SpanKind.PRODUCER: "enqueue", SpanKind.CONSUMER: "job"}
_LINES = Lines(is_development=True, colors=False)
_SHOWN_OTHERWISE = ("timestamp", "level", "logger", "module", "event", "trace_id", "span_id")


@dataclass(frozen=True, slots=True)
class Part:
    """A span that has ended."""

    id: int
    parent: int | None
    name: str
    kind: str
    """`request`, `call`, `sql`, `enqueue`, `job` or `other`."""
    module: str
    begun: int
    """Nanoseconds since 1970, as `ended`."""
    ended: int
    error: str | None
    """What went wrong, where the span failed."""
    attributes: Mapping[str, object]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended - self.begun) / 1e9


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log."""

    at: float
    """Seconds since 1970."""
    level: str
    module: str
    logger: str
    said: str
    trace_id: str | None
    fields: Mapping[str, object]
    stacktrace: str | None


@dataclass
class Trace:
    """What belongs to one trace, in the order in which it ended."""

    id: str
    parts: list[Part] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    left_out: int = 0


def part_of(span: ReadableSpan) -> Part:
    """Return a span of the SDK's as it is kept."""
    assert span.context is not None
    attributes = dict(span.attributes or {})
    kind = _KINDS.get(span.kind, "call")
    if span.kind is SpanKind.CLIENT:
        kind = "sql" if "db.query.text" in attributes else "other"
    begun = span.start_time or 0
    return Part(
        id=span.context.span_id,
        parent=span.parent.span_id if span.parent else None,
        name=span.name,
        kind=kind,
        module=str(attributes.pop("module", PLATFORM)),
        begun=begun,
        ended=max(span.end_time or begun, begun),
        error=_error(span, attributes),
        attributes=attributes,
    )


def line_of(record: logging.LogRecord) -> Line:
    """Return a line that the log has taken as it is kept: as in the log, without what is secret."""
    about = _LINES.describe(record)
    fields = {key: value for key, value in about.items() if key not in _SHOWN_OTHERWISE}
    stacktrace = fields.pop("exception.stacktrace", None)
    return Line(
        at=record.created,
        level=str(about["level"]),
        module=str(about["module"]),
        logger=record.name,
        said=str(about["event"]),
        trace_id=_text(about.get("trace_id")),
        fields=fields,
        stacktrace=_text(stacktrace),
    )


def _error(span: ReadableSpan, attributes: Mapping[str, object]) -> str | None:
    if span.status.status_code is not StatusCode.ERROR:
        return None
    return span.status.description or str(attributes.get("error.type", "It failed."))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
