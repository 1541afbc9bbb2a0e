"""Where log lines go: to a stream, from a thread of its own, so that no request waits for it."""

import logging
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TextIO

from prometheus_client import Counter

from app.platform.telemetry.context import current, PLATFORM
from app.platform.telemetry.log_lines import Line
from app.platform.telemetry.metrics import log_lines

_MODULES = "app.modules."
_MOST = 10_000
"""Lines that may wait while nobody reads the stream; what comes then is counted, and lost."""
_MOST_CHARACTERS = 10_000_000
"""How long those lines may be together."""
_GATHER = 0.05
"""Seconds for which lines are gathered, to write them together."""
_PATIENCE = 1.0
"""Seconds that a line, or the end, waits for the stream at most: perhaps nobody reads it."""


class LogWriter(logging.Handler):
    """Makes a line where it was logged, and writes it a moment later.

    A process that is killed loses the last moment; one that ends does not.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._counted: dict[tuple[object, int], Counter] = {}
        # Of each pair one is counted by who logs, one by the thread: no lock is needed.
        self._came = self._went = 0  # Characters.
        self._refused = self._unwritten = self._told = 0  # Lines.
        # Of all that wakes a thread, this one may be used by a __del__ in the middle of its own use.
        self._calls: SimpleQueue[threading.Lock | None] = SimpleQueue()
        self._is_called = self._is_closed = self._is_hurried = self._is_stuck = False
        self._thread = threading.Thread(target=self._write, name="logs", daemon=True)
        self._thread.start()

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a line; wait for it only in a hurry, and without the lock: the thread may log too."""
        is_taken = super().handle(record)
        if self._is_hurried:
            self.flush()
        return is_taken

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line, and make its text: what it speaks of may change."""
        context = record.context if isinstance(record, Line) else current()
        record.context = context
        module = context["module"] = _module(record.name, context)
        if (lines := self._counted.get((module, record.levelno))) is None:
            lines = log_lines.labels(module, record.levelname.lower())
            self._counted[module, record.levelno] = lines
        lines.inc()
        if len(self._waiting) >= _MOST or self._came - self._went >= _MOST_CHARACTERS:
            self._refused += 1
            return
        if record.args:
            try:
                record.msg = record.getMessage()
            except Exception as error:  # A line that is wrong must not stop whoever logs it.
                record.msg = f"{record.msg} (its arguments do not fit: {error})"
            record.args = None
        line = self._line(record)
        self._came += len(line)
        self._waiting.append(line)
        if not self._is_called:
            self._is_called = True
            self._calls.put(None)

    def hurry(self) -> None:
        """From here on, write each line at once: the process ends, perhaps by a signal."""
        self._is_hurried = True
        self.flush()

    def flush(self) -> None:
        """Have what waits written, unless that takes too long. Called at the end of the process too.

        The thread writes it: from here it would take for as long as nobody reads the stream.
        """
        if not self._thread.is_alive():
            self._write_waiting()
            return
        written = threading.Lock()
        written.acquire()
        self._calls.put(written)
        if threading.current_thread() is not self._thread:  # A __del__ may log while it writes.
            self._is_stuck = not written.acquire(timeout=0 if self._is_stuck else _PATIENCE)

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self.hurry()
        self._is_closed = True
        self._calls.put(None)
        self._thread.join(0 if self._is_stuck else _PATIENCE)
        super().close()

    def _line(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record) + "\n"
        except Exception as error:
            said = f"A line of {record.name} could not be formatted: {type(error).__name__}."
            return self.format(_record(said)) + "\n"

    def _write(self) -> None:
        while not self._is_closed:
            written = self._calls.get()
            if written is None and not self._is_closed:
                with suppress(Empty):
                    written = self._calls.get(timeout=_GATHER)
            self._is_called = False
            self._write_waiting()
            self._is_stuck = False
            if written is not None:
                written.release()

    def _write_waiting(self) -> None:
        lines: list[str] = []
        while self._waiting:
            lines.append(self._waiting.popleft())
            self._went += len(lines[-1])
        count = len(lines)
        lost = self._refused + self._unwritten - self._told
        try:
            if lost:
                said = f"{lost} lines were lost: the stream did not take them."
                lines.append(self._line(_record(said)))
            if lines:
                self._stream.write("".join(lines))
                self._stream.flush()
        except Exception:  # There is nobody to tell now, and perhaps there is later.
            self._unwritten += count
        else:
            self._told += lost


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
