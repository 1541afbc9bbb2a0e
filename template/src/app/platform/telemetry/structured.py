"""structlog, for modules that log with it: its lines go the way of all others."""

import sys
from typing import Any

import structlog
from structlog.typing import EventDict


def configure_structlog() -> None:
    """Hand what structlog is given to the standard library's loggers."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            _take_error,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _take_error(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """Keep the exception that is handled now: the line is formatted later, in another thread."""
    if event.get("exc_info") is True:
        event["exc_info"] = sys.exc_info()
    return event
