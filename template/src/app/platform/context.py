"""On whose behalf the code runs now: what every signal (log, metric, trace) says of where it is from.

The wiring, the web server and the worker set it; a module's code inside a request or a job only has to
log, and its lines carry request, principal and module.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from structlog.contextvars import bind_contextvars, bound_contextvars, get_contextvars

PLATFORM = "platform"
"""The `module` of what belongs to none."""

speaking: ContextVar[str] = ContextVar("speaking", default=PLATFORM)
"""The module whose code runs now."""

_TRACE_PARENT = re.compile("00-((?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""https://www.w3.org/TR/trace-context/#traceparent-header"""
_trace_parent: ContextVar[str] = ContextVar("trace_parent", default="")


def set_origin(request_id: object, trace_parent: object) -> None:
    """Let what is logged from here on, and jobs that are enqueued, carry the id of a request and, by
    its W3C `traceparent`, the trace it belongs to; each only where it is one."""
    if isinstance(request_id, str):
        bind_contextvars(request_id=request_id)
    if isinstance(trace_parent, str) and (traced := _TRACE_PARENT.fullmatch(trace_parent)):
        _trace_parent.set(trace_parent)
        bind_contextvars(trace_id=traced[1])
    else:
        _trace_parent.set("")


def get_origin() -> tuple[str | None, str | None]:
    """Return the id of the request on whose behalf the code runs, and its `traceparent`."""
    return get_contextvars().get("request_id"), _trace_parent.get() or None


@contextmanager
def bound(
    module: str, request_id: object = None, trace_parent: object = None, **fields: object
) -> Iterator[None]:
    """Let everything that is logged in the block carry these fields, the module and this origin, and
    none that is outside."""
    token, parent = speaking.set(module), _trace_parent.set("")
    try:
        with bound_contextvars(request_id=..., trace_id=..., **fields):  # `...` is not logged.
            set_origin(request_id, trace_parent)
            yield
    finally:
        speaking.reset(token)
        _trace_parent.reset(parent)


def current() -> dict[str, object]:
    """Return the fields of the code that runs now, `module` among them.

    What else is bound with `structlog.contextvars.bind_contextvars` is there as well.
    """
    return {**get_contextvars(), "module": speaking.get()}
