"""The log: one line for each event, as JSON in production and readable in development.

    logger = structlog.stdlib.get_logger(__name__)       # or logging.getLogger(__name__)
    logger.info("charged", order_id=str(order.id))

Lines of the standard library, of uvicorn and SQLAlchemy go the same way. Names follow OpenTelemetry's
semantic conventions where those have one. What is secret is withheld, whoever logs it (`discretion`).
"""

import logging
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, UTC
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from app.platform.discretion import stacktrace_of, text_of, without_secrets
from app.platform.log_levels import LogLevels
from app.platform.log_writer import LogWriter
from app.platform.settings import Settings

_NOT_EXTRA = {
    *vars(logging.makeLogRecord({})),
    *("asctime", "context", "message", "taskName", "_logger", "_name", "color_message"),
}
"""What a record holds that nobody gave as `extra`."""
_OURS = ("timestamp", "level", "logger", "module")
"""Fields that hold nothing of anybody's."""


@dataclass(frozen=True)
class Logs:
    """The log of this process."""

    levels: LogLevels
    writer: LogWriter

    @asynccontextmanager
    async def running(self, modules: Collection[str]) -> AsyncIterator[None]:
        """Let the levels follow their file while the block lasts, and lose nothing at its end."""
        try:
            async with self.levels.watched(modules):
                yield
        finally:
            self.writer.hurry()


def configure_logs(settings: Settings, stream: TextIO | None = None) -> Logs:
    """Send what is logged in this process to a stream, its standard error where none is given."""
    stream = stream or sys.stderr
    writer = LogWriter(stream)
    writer.setFormatter(_Lines(settings.is_development, stream.isatty()))
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, LogWriter)]:
        old.close()
        root.removeHandler(old)
    root.addHandler(writer)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            _take_error,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    levels = LogLevels(settings.log_level, settings.log_levels, settings.log_levels_file)
    return Logs(levels, writer)


class _Lines(logging.Formatter):
    """Makes one line of a record of structlog, or of the standard library.

    In place of structlog's ProcessorFormatter, which takes four times as long.
    """

    def __init__(self, is_development: bool, colors: bool) -> None:
        super().__init__()
        self._processors: list[Processor] = [structlog.processors.JSONRenderer(default=str)]
        if is_development:
            plain = structlog.dev.plain_traceback
            console = structlog.dev.ConsoleRenderer(
                colors=colors, sort_keys=False, exception_formatter=plain
            )
            self._processors = [_for_the_eye, console]

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record that has the `context` it was logged in."""
        event = describe(record)
        for processor in self._processors:
            event = processor(None, record.levelname, event)  # type: ignore[assignment]
        return str(event)


def describe(record: logging.LogRecord) -> EventDict:
    """Say what was logged, when, how grave, by whom, on whose behalf; without what is secret.

    The record has the `context` it was logged in, as `LogWriter` leaves it.
    """
    context: dict[str, object] = record.context  # type: ignore[attr-defined]
    if isinstance(record.msg, dict):
        given: EventDict = dict(record.msg)
        event, error = given.pop("event", ""), given.pop("exc_info", None)
    else:
        given = {key: value for key, value in vars(record).items() if key not in _NOT_EXTRA}
        event, error = record.getMessage(), record.exc_info
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        given["exception.type"] = type(error).__qualname__
        given["exception.message"] = text_of(error)
        given["exception.stacktrace"] = stacktrace_of(error)
    described = {
        "event": event,
        "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        **context,
        **given,
    }
    described["module"] = context["module"]
    return {
        key: value if key in _OURS else without_secrets(value, key)
        for key, value in described.items()
    }


def _for_the_eye(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """Shorten the time, and let a traceback stand below its line."""
    event["timestamp"] = event["timestamp"][11:23]
    if "exception.stacktrace" in event:
        event["exception"] = event.pop("exception.stacktrace")
        del event["exception.type"], event["exception.message"]
    return event


def _take_error(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """Keep the exception that is handled now: the line is formatted later, in another thread."""
    if event.get("exc_info") is True:
        event["exc_info"] = sys.exc_info()
    return event
