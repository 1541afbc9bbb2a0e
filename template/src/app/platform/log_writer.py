"""Where log lines go: to a stream, from a thread of its own, so that no request waits for it."""

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import TextIO

from prometheus_client import Counter

from app.platform.context import current, PLATFORM
from app.platform.metrics import log_lines

_MODULES = "app.modules."
_MOST = 10_000
"""Lines that may wait while nobody reads the stream; what comes then is counted, and lost."""
_GATHER = 0.05
"""Seconds for which lines are gathered, to write them together."""


class LogWriter(logging.Handler):
    """Makes a line where it was logged, and writes it a moment later.

    A process that is killed loses the last moment; one that ends does not.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._counted: dict[tuple[object, int], Counter] = {}
        self._lost = 0
        self._wake = threading.Event()
        self._is_closed = self._is_hurried = False
        self._writing = threading.Lock()
        threading.Thread(target=self._write, name="logs", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line, and make its text: what it speaks of may change."""
        record.context = context = current()
        module = context["module"] = _module(record.name, context)
        if (lines := self._counted.get((module, record.levelno))) is None:
            lines = log_lines.labels(module, record.levelname.lower())
            self._counted[module, record.levelno] = lines
        lines.inc()
        if len(self._waiting) >= _MOST:
            self._lost += 1
            return
        if record.args:
            try:
                record.msg = record.getMessage()
            except Exception as error:  # A line that is wrong must not stop whoever logs it.
                record.msg = f"{record.msg} (its arguments do not fit: {error})"
            record.args = None
        self._waiting.append(self._line(record))
        if self._is_hurried:
            self.flush()
        elif not self._wake.is_set():
            self._wake.set()

    def hurry(self) -> None:
        """From here on, write each line at once: the process ends, perhaps by a signal."""
        self._is_hurried = True
        self.flush()

    def flush(self) -> None:
        """Write what waits. Called at the end of the process as well."""
        with self._writing:
            lines = []
            while self._waiting:
                lines.append(self._waiting.popleft())
            if self._lost:
                lost, self._lost = self._lost, 0
                said = f"{lost} lines were lost: they came faster than the stream takes them."
                lines.append(self._line(_record(said)))
            if lines:
                try:
                    self._stream.write("".join(lines))
                    self._stream.flush()
                except (OSError, ValueError):
                    pass  # Nobody is left to read it, and there is nobody to tell.

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self._is_closed = True
        self._wake.set()
        self.flush()
        super().close()

    def _line(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record) + "\n"
        except Exception as error:
            said = f"A line of {record.name} could not be formatted: {type(error).__name__}."
            return self.format(_record(said)) + "\n"

    def _write(self) -> None:
        while self._wake.wait() and not self._is_closed:
            time.sleep(_GATHER)
            self._wake.clear()
            self.flush()


def _module(logger: str, context: Mapping[str, object]) -> object:
    """Return the module that spoke: where none was bound, the one whose logger it is."""
    module = context["module"]
    if module == PLATFORM and logger.startswith(_MODULES):
        return logger.removeprefix(_MODULES).partition(".")[0]
    return module


def _record(said: str) -> logging.LogRecord:
    record = logging.LogRecord("app.logs", logging.ERROR, __file__, 0, said, None, None)
    record.context = {"module": PLATFORM}
    return record
