"""What the console tells programs."""

import json
from typing import Any

from app.development.console.answers import as_json, last_error, of_statements, of_trace
from app.development.console.parts import Line
from app.development.console.recorder import Recorder

from ..spans import BEGAN, request, sql


def told(found: object) -> Any:
    """An answer as who asks reads it."""
    return json.loads(bytes(as_json(found).body))


def line(level: str, said: str, seconds: float) -> Line:
    return Line(BEGAN / 1e9 + seconds, level, "billing", "app", said, None, {}, None)


def test_the_last_error_is_the_newest_of_lines_and_traces() -> None:
    recorder = Recorder()
    recorder.on_end(request(1, trace=1))
    recorder.add(line("warning", "no error", 5))
    assert told(last_error(recorder)) is None
    recorder.add(line("error", "the first", 10))
    found = told(last_error(recorder))
    assert (found["line"]["said"], found["trace"]) == ("the first", None)
    recorder.on_end(request(2, trace=2, at=20_000, status=500, error="ValueError"))
    assert told(last_error(recorder))["trace"]["summary"]["error"] == "ValueError"
    recorder.add(line("error", "the last", 30))
    assert told(last_error(recorder))["line"]["said"] == "the last"


def test_a_trace_is_told_as_a_tree_within_bounds() -> None:
    recorder = Recorder()
    recorder.on_end(request(1, took=900))
    for number in range(2, 402):
        recorder.on_end(sql(number, 1, at=number))
    trace = recorder.trace(f"{1:032x}")
    assert trace
    found = told(of_trace(trace))
    assert [span["depth"] for span in found["spans"][:3]] == [0, 1, 1]
    assert (len(found["spans"]), found["left_out"]) == (300, 101)
    assert found["repeated"][0]["times"] == 400


def test_statements_are_told_of_the_modules_that_are_asked_for() -> None:
    recorder = Recorder()
    for number in range(20):
        recorder.on_end(sql(number + 1, 99, f"SELECT {number}"))
        recorder.on_end(sql(number + 50, 99, "SELECT 1", module="ordering"))
    assert len(of_statements(recorder, ["billing"])) == 10
    [only] = told(of_statements(recorder, ["ordering"]))
    assert (only["statement"], only["times"]) == ("SELECT 1", 20)
