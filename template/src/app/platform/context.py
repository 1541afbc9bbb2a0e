"""On whose behalf the code runs now: what every signal (log, metric, trace) says of where it is from.

The wiring, the web server and the worker set it; a module's code inside a request or a job only has to
log, and its lines carry request, principal and module.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from structlog.contextvars import bound_contextvars, get_contextvars

PLATFORM = "platform"
"""The `module` of what belongs to none."""

speaking: ContextVar[str] = ContextVar("speaking", default=PLATFORM)
"""The module whose code runs now."""


@contextmanager
def bound(module: str, **fields: object) -> Iterator[None]:
    """Let everything that is logged in the block carry these fields, and the module."""
    token = speaking.set(module)
    try:
        with bound_contextvars(**fields):
            yield
    finally:
        speaking.reset(token)


def current() -> dict[str, object]:
    """Return the fields of the code that runs now, `module` among them.

    What else is bound with `structlog.contextvars.bind_contextvars` is there as well.
    """
    return {"module": speaking.get(), **get_contextvars()}
