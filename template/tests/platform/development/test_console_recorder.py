"""What the console keeps of spans and lines, and how it draws them."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.trace import SpanKind

from app.development.console import recorder as module
from app.development.console.parts import Trace
from app.development.console.recorder import Recorder
from app.development.console.waterfall import draw, repeated, summarize
from app.platform.telemetry.log_writer import LogWriter

from ..spans import attempt, request, span, sql

ONE = f"{1:032x}"


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def logger(
    recorder: Recorder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[logging.Logger]:
    """A logger whose lines the log takes first, as in the application."""
    with (tmp_path_factory.mktemp("log") / "log").open("w") as stream:
        logger = logging.Logger("app.modules.billing.service")
        writer = LogWriter(stream)
        logger.addHandler(writer)
        logger.addHandler(recorder.handler)
        yield logger
        writer.close()


def of(recorder: Recorder, id: int = 1) -> Trace:
    found = recorder.trace(f"{id:032x}")
    assert found is not None
    return found


def test_it_keeps_the_latest_traces_and_forgets_the_oldest(recorder: Recorder) -> None:
    for number in range(1, 251):
        recorder.on_end(request(number, trace=number))
    kept = recorder.traces()
    assert [int(each.id, 16) for each in kept] == list(range(250, 50, -1))
    assert recorder.trace(ONE) is None
    assert recorder.traffic()["billing"].requests == 250


def test_one_trace_may_not_fill_the_memory(recorder: Recorder) -> None:
    for number in range(1, 1_501):
        recorder.on_end(sql(number, 9999))
    assert len(of(recorder).parts) == 1_000
    assert of(recorder).left_out == 500
    assert recorder.traffic()["billing"].statements == 1_500


def test_all_traces_together_may_not_fill_the_memory(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module._PARTS == 50_000
    monkeypatch.setattr(module, "_PARTS", 500)
    for trace in range(1, 31):
        for number in range(1, 21):
            recorder.on_end(span("loop", number, trace=trace))
    kept = recorder.traces()
    assert [int(each.id, 16) for each in kept] == list(range(30, 5, -1))
    assert sum(len(each.parts) for each in kept) == 500


def test_statements_that_are_never_the_same_may_not_fill_the_memory(recorder: Recorder) -> None:
    for number in range(1, 1_501):
        recorder.on_end(sql(number, 1, f"SELECT {number}", trace=number))
    assert len(recorder.statements()) == 1_000


def test_lines_without_a_trace_may_not_fill_the_memory(
    recorder: Recorder, logger: logging.Logger
) -> None:
    for number in range(1_500):
        logger.info("line %d", number)
    kept = recorder.lines()
    assert len(kept) == 1_000
    assert {each.said for each in kept} == {f"line {number}" for number in range(500, 1_500)}


def test_statements_are_added_up_by_module_with_the_trace_of_the_slowest(
    recorder: Recorder,
) -> None:
    recorder.on_end(sql(1, 9, "SELECT a", trace=1, took=10))
    recorder.on_end(sql(2, 9, "SELECT a", trace=2, took=30))
    recorder.on_end(sql(3, 9, "SELECT a", trace=3, took=5, module="catalog"))
    first, second = recorder.statements()
    assert (first.module, first.count, first.trace_id) == ("billing", 2, f"{2:032x}")
    assert first.seconds == pytest.approx(0.04)
    assert second.module == "catalog"


def test_a_line_is_kept_with_its_module_and_without_what_is_secret(
    recorder: Recorder, logger: logging.Logger
) -> None:
    try:
        raise ValueError("no such customer: ada@example.org")
    except ValueError:
        logger.exception("It failed for ada@example.org", extra={"password": "hunter2", "n": 1})
    [line] = recorder.lines()
    assert (line.module, line.level, line.trace_id) == ("billing", "error", None)
    assert (line.fields["n"], line.fields["password"]) == (1, "[withheld]")
    assert line.stacktrace is not None
    assert "ValueError" in line.stacktrace
    assert "ada@example.org" not in repr(line)


def test_a_request_its_job_and_the_retry_are_one_tree_in_the_order_of_time(
    recorder: Recorder,
) -> None:
    recorder.on_end(sql(4, 2, at=2))
    recorder.on_end(span("enqueue billing.audit", 3, 2, at=4, kind=SpanKind.PRODUCER))
    recorder.on_end(span("billing.charge", 2, 1, at=1, took=5))
    recorder.on_end(request(1, took=10, module="ordering"))
    recorder.on_end(attempt(5, 3, 1, at=20, took=5, error="ValueError: not yet"))
    recorder.on_end(attempt(6, 3, 2, at=1_020, took=5))
    waterfall = draw(of(recorder))
    assert [(row.part.kind, row.depth) for row in waterfall.rows] == [
        ("request", 0),
        ("call", 1),
        ("sql", 2),
        ("enqueue", 2),
        ("job", 3),
        ("job", 3),
    ]
    summary = summarize(of(recorder))
    assert (summary.title, summary.method, summary.status) == ("/billing/accounts", "GET", 200)
    assert (summary.attempts, summary.failed_attempts, summary.statements) == (2, 1, 1)
    assert summary.modules == ["ordering", "billing"]
    assert (summary.seconds, summary.whole) == pytest.approx((0.01, 1.025))
    assert summary.is_failed


def test_pauses_are_folded_and_what_ran_keeps_its_proportions(recorder: Recorder) -> None:
    recorder.on_end(request(1, took=10))
    recorder.on_end(attempt(2, 1, 1, at=2_000, took=30))
    waterfall = draw(of(recorder))
    [fold] = waterfall.folds
    first, second = waterfall.rows
    assert fold.seconds == pytest.approx(1.99)
    assert second.width == pytest.approx(3 * first.width)
    assert first.left == 0
    assert (fold.left, fold.left + fold.width) == pytest.approx((first.width, second.left))
    assert second.left + second.width == pytest.approx(100)


def test_many_pauses_leave_room_for_what_ran(recorder: Recorder) -> None:
    for number in range(1, 31):
        recorder.on_end(attempt(number, 99, number, at=number * 1_000, took=10))
    waterfall = draw(of(recorder))
    assert len(waterfall.folds) == 29
    assert sum(row.width for row in waterfall.rows) == pytest.approx(60)


@pytest.mark.parametrize("parent", [None, 77, 1])
def test_a_span_whose_parent_is_not_there_stands_outermost(
    recorder: Recorder, parent: int | None
) -> None:
    recorder.on_end(span("alone", 1, parent, took=0))
    recorder.on_end(sql(2, 1))
    assert [row.depth for row in draw(of(recorder)).rows] == [0, 1]
    assert summarize(of(recorder)).title == "alone"


def test_spans_that_are_each_others_parents_do_no_harm(recorder: Recorder) -> None:
    recorder.on_end(span("one", 1, 2))
    recorder.on_end(span("two", 2, 1))
    assert draw(of(recorder)).rows == []
    assert summarize(of(recorder)).title == "one"


def test_statements_in_a_loop_are_told_of(recorder: Recorder) -> None:
    recorder.on_end(request(1))
    for number in range(2, 8):
        recorder.on_end(sql(number, 1, "SELECT one"))
    recorder.on_end(sql(8, 1, "SELECT other"))
    [(part, count)] = repeated(of(recorder))
    assert (part.attributes["db.query.text"], count) == ("SELECT one", 6)


def test_it_loses_nothing_where_several_threads_record(recorder: Recorder) -> None:
    def record(trace: int) -> None:
        for number in range(200):
            recorder.on_end(span("work", number + 1, trace=trace))
            recorder.traces()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(record, range(1, 9)))
    assert [len(each.parts) for each in recorder.traces()] == [200] * 8
