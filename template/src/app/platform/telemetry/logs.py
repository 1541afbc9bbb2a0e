"""The log: one line for each event, as JSON in production and readable in development.

    logger = get_logger(__name__)       # or logging.getLogger(__name__)
    logger.info("charged", order_id=str(order.id))

Lines of the standard library, of uvicorn and SQLAlchemy go the same way. Names follow OpenTelemetry's
semantic conventions where those have one. What is secret is withheld, whoever logs it (`redaction`).
"""

import logging
import os
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TextIO, TYPE_CHECKING

from app.platform.settings import Settings
from app.platform.telemetry.log_levels import LogLevels
from app.platform.telemetry.log_lines import Lines
from app.platform.telemetry.log_writer import LogWriter

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger


@dataclass(frozen=True)
class Logs:
    """The log of this process."""

    levels: LogLevels
    writer: LogWriter

    @asynccontextmanager
    async def running(self, modules: Collection[str]) -> AsyncIterator[None]:
        """Let the levels follow their file while the block lasts, and lose nothing at its end."""
        _configure_structlog()  # Modules have been imported since, and may have imported it.
        try:
            async with self.levels.watched(modules):
                yield
        finally:
            self.writer.hurry()


def configure_logs(settings: Settings, stream: TextIO | None = None) -> Logs:
    """Send what is logged in this process to a stream, its standard error where none is given."""
    stream = stream or _standard_error()
    writer = LogWriter(stream)
    writer.setFormatter(Lines(settings.is_development, stream.isatty(), settings.release))
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, LogWriter)]:
        old.close()
        root.removeHandler(old)
    root.addHandler(writer)
    logging.captureWarnings(True)
    # What no line shows: https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    _configure_structlog()
    levels = LogLevels(
        settings.log_level,
        settings.log_levels,
        settings.log_levels_file,
        is_development=settings.is_development,
    )
    return Logs(levels, writer)


def _standard_error() -> TextIO:
    """Return a stream of our own to the standard error, or to nowhere if the process has none.

    The interpreter flushes its own as it ends: that would wait for a thread that writes to it.
    """
    if sys.stderr is None:
        return open(os.devnull, "w", encoding="utf-8")
    try:
        descriptor = sys.stderr.fileno()
    except OSError:  # Somebody put another one in its place.
        return sys.stderr
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def get_logger(name: str) -> "BoundLogger":
    """Return a logger of structlog, whose lines have fields: `logger.info("charged", order_id=id)`."""
    import structlog  # Brings rich, where that is installed.

    _configure_structlog()
    logger: BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _configure_structlog() -> None:
    """Have structlog's lines as well, where somebody has imported it."""
    if "structlog" in sys.modules:
        from app.platform.telemetry.structured import configure_structlog

        configure_structlog()
