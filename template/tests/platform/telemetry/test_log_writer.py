"""Nobody waits for the log, whatever becomes of its stream."""

import io
import logging
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from app.platform.telemetry.log_writer import LogWriter

_HUNG = 60
"""Seconds after which a process is taken to hang."""
_CONFIGURED = """
import logging, time
from app.platform.telemetry.logs import configure_logs
from app.platform.settings.settings import load_settings
logs = configure_logs(load_settings(database_url="postgresql://app@127.0.0.1/app"))
log = logging.getLogger("app.canary").warning
"""


class Gate(io.StringIO):
    """A stream that takes nothing before its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.gate = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        self.gate.wait()
        return super().write(text)


class Broken(io.StringIO):
    """A stream whose first write fails."""

    is_broken = True

    def write(self, text: str) -> int:
        if self.is_broken:
            self.is_broken = False
            raise RuntimeError("no")
        return super().write(text)


class Nested(io.StringIO):
    """A stream in the middle of whose first write something is collected."""

    say: Callable[[str], None] | None = None

    def write(self, text: str) -> int:
        say, self.say = self.say, None
        if say is not None:
            Collected(say)
        return super().write(text)


class Collected:
    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def __del__(self) -> None:
        self.say("collected")


def writer_to(stream: io.StringIO) -> tuple[LogWriter, Callable[[str], None]]:
    writer = LogWriter(stream)
    writer.setFormatter(logging.Formatter("%(message)s"))

    def say(text: str) -> None:
        writer.handle(logging.makeLogRecord({"name": "app.x", "msg": "%s", "args": (text,)}))

    return writer, say


@pytest.mark.parametrize("limit", [("_MOST", 3), ("_MOST_CHARACTERS", len("line 0\n") * 3)])
def test_what_comes_while_the_stream_is_stuck_is_counted(
    limit: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"app.platform.telemetry.log_writer.{limit[0]}", limit[1])
    stream = Gate()
    writer, say = writer_to(stream)
    say("first")
    stream.reached.wait()
    for number in range(5):
        say(f"line {number}")
    stream.gate.set()
    writer.close()
    assert stream.getvalue().splitlines() == [
        *("first", "line 0", "line 1", "line 2"),
        "2 lines were lost: the stream did not take them.",
    ]


def test_a_write_that_fails_is_counted_and_ends_nothing() -> None:
    stream = Broken()
    writer, say = writer_to(stream)
    say("lost")
    writer.flush()
    say("written")
    writer.close()
    assert stream.getvalue().splitlines() == [
        "written",
        "1 lines were lost: the stream did not take them.",
    ]


@pytest.mark.parametrize("is_hurried", [False, True])
def test_what_is_collected_may_log_in_the_middle_of_a_write(is_hurried: bool) -> None:
    stream = Nested()
    writer, stream.say = writer_to(stream)
    say = stream.say
    if is_hurried:
        writer.hurry()
    say("first")
    writer.close()
    assert stream.getvalue().splitlines() == ["first", "collected"]


def test_a_line_after_the_end_is_written() -> None:
    stream = io.StringIO()
    writer, say = writer_to(stream)
    writer.close()
    say("late")
    assert stream.getvalue() == "late\n"


@pytest.mark.parametrize("pause", [0, 0.5])
def test_a_process_ends_whose_log_nobody_reads(pause: float) -> None:
    code = f"""{_CONFIGURED}
for _ in range(1000):
    log("x" * 1000)
time.sleep({pause})
logs.writer.hurry()
for _ in range(100):
    log("late")
print("went on")
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        try:
            assert process.wait(_HUNG) == 0
        finally:
            process.kill()
        assert process.stdout.read() == b"went on\n"


def test_a_process_without_a_standard_error_runs() -> None:
    code = f"{_CONFIGURED}\nlog('unheard')\nprint('went on')"
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", code]
    assert subprocess.check_output(command, timeout=_HUNG) == b"went on\n"
