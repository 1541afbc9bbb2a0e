"""Writes `docs/benchmarks.md`, and a plot for each comparison, from what is kept."""

import re
from importlib import import_module

from . import COMPARISONS
from .bounds import BOUNDS
from .measuring import ROOT
from .plot import svg
from .results import Result, load
from .tables import as_markdown

PAGE, PLOTS = ROOT / "docs/benchmarks.md", ROOT / "docs/benchmarks"
LOSES = "We lose"
ADR = re.compile(r"`docs/(adr/(\d+)[\w-]+\.md)`")
HEAD = """# Benchmarks

For whoever asks what it costs: ours beside what others use, and every bound that was set for it.
`make bench` measures and writes all of this page, `make bench only=NAME` one part of it.

Peers are installed and run beside ours, in rounds that alternate, and a ratio is of one run: trust
ratios, and no milliseconds of another machine. Each part says when it ran, on what, and how busy
the machine was before (its load; 0 is quiet). What was found stands in `bench/results/`.
"""
BOUND = """Set at one time or another, and kept since. Two are not measured here: that
`make test` and CI take at most 0.4 and 0.65 of what they took before the platform had rooms, for
the same tests. There are four times as many since
([where speed ends](adr/0072-where-speed-ends.md))."""


def write() -> None:
    results = {name: found for name in COMPARISONS if (found := load(name))}
    PLOTS.mkdir(exist_ok=True)
    for name, result in results.items():
        (PLOTS / f"{name}.svg").write_text(svg(result.plot))
    PAGE.write_text(text(results))


def text(results: dict[str, Result]) -> str:
    lost = [
        f"- [{result.name}](#{anchor(heading(result))}): {note}"
        for result in results.values()
        for note in result.notes
        if note.startswith(LOSES)
    ]
    page = "\n\n".join(
        [
            HEAD.rstrip(),
            "## Where we lose",
            "\n".join(lost),
            *map(section, results.values()),
            "## Every bound",
            BOUND,
            *(
                f"### {area}\n\n"
                + as_markdown(
                    ["", "bound", "today", "held", "by"], [each.row(results) for each in bounds]
                )
                for area, bounds in BOUNDS.items()
            ),
            "",
        ]
    )
    return ADR.sub(r"[\2](\1)", page)


def heading(result: Result) -> str:
    return documentation(result)[0].rstrip(".")


def anchor(title: str) -> str:
    kept = (each for each in title.lower() if each.isalnum() or each in " -_")
    return "".join(kept).replace(" ", "-")


def documentation(result: Result) -> tuple[str, str]:
    """Return what a comparison says of itself: its first line, and the rest."""
    title, _, rest = (import_module(f"bench.{result.name}").__doc__ or "").partition("\n\n")
    return title, rest.strip()


def section(result: Result) -> str:
    about = result.about
    return "\n\n".join(
        [
            f"## {heading(result)}",
            documentation(result)[1],
            f"![{result.plot.title}](benchmarks/{result.name}.svg)",
            *(
                f"**{table.title}**\n\n{as_markdown(table.columns, table.rows)}"
                for table in result.tables
            ),
            "\n".join(f"- {note}" for note in result.notes),
            f"`make bench only={result.name}` took {about['seconds']} s on {about['day']}, at"
            f" {about['commit']}: {about['machine']}, Python {about['python']}, Copier"
            f" {about['copier']}; load {about['load']}.",
        ]
    )
