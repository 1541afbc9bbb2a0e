"""Spans as the SDK hands them on, made by hand."""

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

MILLISECOND = 1_000_000
BEGAN = 1_900_000_000 * 10**9
_NOWHERE = Resource.get_empty()
"""The SDK takes long to find out where it is."""


def span(
    name: str,
    id: int,
    parent: int | None = None,
    *,
    trace: int = 1,
    kind: SpanKind = SpanKind.INTERNAL,
    module: str = "billing",
    at: float = 0,
    took: float = 1,
    error: str | None = None,
    **attributes: str | int,
) -> ReadableSpan:
    """A span that began so many milliseconds after the test, and took so many. In the names of
    attributes, `__` stands for a dot."""
    begun = BEGAN + int(at * MILLISECOND)
    named = {name.replace("__", "."): value for name, value in attributes.items()}
    return ReadableSpan(
        name,
        _context(trace, id),
        None if parent is None else _context(trace, parent),
        resource=_NOWHERE,
        attributes={"module": module, **named},
        kind=kind,
        start_time=begun,
        end_time=begun + int(took * MILLISECOND),
        status=Status(StatusCode.ERROR, error) if error else Status(),
    )


def request(id: int, *, trace: int = 1, status: int = 200, **more: object) -> ReadableSpan:
    """The span of a request."""
    about = {"http__request__method": "GET", "http__response__status_code": status}
    route = str(more.pop("route", "/billing/accounts"))
    return span(
        f"GET {route}",
        id,
        trace=trace,
        kind=SpanKind.SERVER,
        http__route=route,
        **about,
        **more,  # type: ignore[arg-type]
    )


def sql(id: int, parent: int, text: str = "SELECT 1", **more: object) -> ReadableSpan:
    """The span of a statement."""
    return span("SELECT", id, parent, kind=SpanKind.CLIENT, db__query__text=text, **more)  # type: ignore[arg-type]


def attempt(id: int, parent: int, number: int, **more: object) -> ReadableSpan:
    """The span of an attempt to run job 42."""
    about = {"job__name": "billing.audit", "job__id": 42, "job__attempt": number}
    return span("run billing.audit", id, parent, kind=SpanKind.CONSUMER, **about, **more)  # type: ignore[arg-type]


def _context(trace: int, id: int) -> SpanContext:
    return SpanContext(trace, id, False, TraceFlags(TraceFlags.SAMPLED))
