"""On whose behalf the code runs now: what every signal (log, metric, trace) says of where it is from.

The wiring, the web server and the worker set it; a module's code inside a request or a job only has to
log, and its lines carry request, principal and module.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

PLATFORM = "platform"
"""The `module` of what belongs to none."""

speaking: ContextVar[str] = ContextVar("speaking", default=PLATFORM)
"""The module whose code runs now."""


class Place:
    """Where in a trace the code runs: under which span others begin."""

    __slots__ = ("is_sampled", "span_id", "trace_id")

    is_recorded = False
    """Whether the span was begun here, to be shown."""

    def __init__(self, trace_id: int, span_id: int, is_sampled: bool) -> None:
        self.trace_id, self.span_id, self.is_sampled = trace_id, span_id, is_sampled

    @property
    def trace_parent(self) -> str:
        """The place as others are told of it, who go on from there: W3C's `traceparent`."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.is_sampled:02x}"


place: ContextVar[Place | None] = ContextVar("place", default=None)
"""See `traces`, which sets it."""


_fields: ContextVar[Mapping[str, object]] = ContextVar("fields", default=MappingProxyType({}))
"""What lines of the log say besides."""


def begin_request(id: str) -> None:
    """Let what is logged from here on, and jobs that are enqueued, carry the id of a request, and
    nothing of another one."""
    _fields.set({"request_id": id})


def get_request() -> object:
    """Return the id of the request on whose behalf the code runs."""
    return _fields.get().get("request_id")


def get_user() -> object:
    """Return the id of the principal on whose behalf the code runs."""
    return _fields.get().get("user.id")


def add(**fields: object) -> None:
    """Let what is logged from here on carry these fields as well."""
    _fields.set({**_fields.get(), **fields})


@contextmanager
def bound(module: str, request_id: object = None, **fields: object) -> Iterator[None]:
    """Let everything that is logged in the block carry these fields, the module and this request, and
    none that is outside."""
    if isinstance(request_id, str):
        fields["request_id"] = request_id
    token, before = speaking.set(module), _fields.set(fields)
    try:
        yield
    finally:
        speaking.reset(token)
        _fields.reset(before)


def current() -> dict[str, object]:
    """Return the fields of the code that runs now, `module` among them."""
    fields = {**_fields.get(), "module": speaking.get()}
    if (here := place.get()) is not None:
        fields["trace_id"] = f"{here.trace_id:032x}"
        if here.is_recorded:
            fields["span_id"] = f"{here.span_id:016x}"
    return fields
