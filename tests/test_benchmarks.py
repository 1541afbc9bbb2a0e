"""The page of benchmarks, and what it is written from."""

import re
from pathlib import Path

import pytest

from bench import COMPARISONS, page
from bench.bounds import BOUNDS, Bound
from bench.plot import svg
from bench.results import Plot, Result, Table, load
from bench.tables import as_markdown, as_text

ROOT = Path(__file__).parents[1]
RESULTS = {name: found for name in COMPARISONS if (found := load(name))}
ALL = [bound for bounds in BOUNDS.values() for bound in bounds]


def test_the_page_and_its_plots_say_what_was_found() -> None:
    assert page.text(RESULTS) == page.PAGE.read_text("utf-8"), "Run: make bench only=page"
    for name, result in RESULTS.items():
        assert svg(result.plot) == (page.PLOTS / f"{name}.svg").read_text("utf-8")


def test_nothing_is_kept_of_the_machine_but_its_kind() -> None:
    for file in (ROOT / "bench/results").iterdir():
        assert not re.search(r"/(?:tmp|root|home|work|usr)/|https?://", file.read_text("utf-8"))


def test_each_bound_is_measured() -> None:
    for bound in ALL:
        comparison, _, name = bound.figure.partition(": ")
        assert comparison in COMPARISONS, bound
        if comparison in RESULTS:
            assert name in RESULTS[comparison].figures, bound


@pytest.mark.parametrize(
    ("limit", "today", "held"),
    [("≤ 3 µs", 3, True), ("≤ 3 µs", 3.1, False), ("≥ 0.5", 0.5, True), ("≥ 0.5", 0.4, False)],
)
def test_a_bound_is_held_up_to_its_limit(limit: str, today: float, held: bool) -> None:
    bound = Bound("x", limit, "jobs: x", why="Because")
    result = Result("jobs", [], Plot("", "", []), {"x": today}, [])
    assert bound.row({"jobs": result})[3] == ("yes" if held else "**no**")


def test_a_bound_that_is_not_measured_is_not_held() -> None:
    assert Bound("x", "≤ 3", "jobs: x").row({})[2:4] == ["not measured", ""]


def test_numbers_have_the_digits_that_count() -> None:
    rows = [["a|b", 1234.5, 0.123], ["c", 12.34, None]]
    assert as_markdown(["", "x", "y"], rows).splitlines() == [
        "|  | x | y |",
        "| --- | ---: | ---: |",
        "| a\\|b | 1,234 | 0.12 |",
        "| c | 12.3 | - |",
    ]
    assert as_text(["", "x", "y"], rows).splitlines()[1:] == [
        "a|b  1,234  0.12",
        "c     12.3     -",
    ]


def test_a_plot_reads_in_the_dark_and_without_eyes() -> None:
    drawn = svg(Plot("Jobs <fast>", "per second", [("bare", 10, False), ("ours", 5, True)]))
    assert "prefers-color-scheme: dark" in drawn
    assert "<title>Jobs &lt;fast&gt;</title>" in drawn
    assert "<desc>bare: 10; ours: 5</desc>" in drawn


def test_a_table_says_its_title_before_its_rows() -> None:
    assert str(Table("Jobs", ["", "n"], [["bare", 1]])).startswith("Jobs\n")
