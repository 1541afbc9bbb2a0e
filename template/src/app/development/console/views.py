"""What the pages say: from the recorder and the map, ready for the templates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from app.development.console.operations import Operation
from app.development.console.pages import many
from app.development.console.parts import Line, Trace
from app.development.console.recorder import Recorder, Statement, Traffic
from app.development.console.waterfall import draw, repeated, summarize, Summary
from app.development.map import MappedModule
from app.development.map_svg import as_svg, Mark
from app.platform.flags import Flag, FlagFiles
from app.platform.jobs import ModuleQueue
from app.platform.telemetry import metrics, PLATFORM

_LATEST = 12
_SMALL = 6
"""Modules whose map has room beside the requests."""
_LINES = 300
_STATEMENTS = 30
_LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True)
class ModuleRow:
    """A module in the table of the overview."""

    name: str
    owner: str
    traffic: Traffic
    queue: ModuleQueue | None


@dataclass(frozen=True)
class FlagRow:
    """A flag, and how often it was asked for since the process began."""

    flag: Flag
    module: str
    on: int
    off: int
    has_expired: bool


def overview(
    mapped: Sequence[MappedModule],
    recorder: Recorder,
    queues: Mapping[str, ModuleQueue],
    tone: Callable[[str], str],
) -> dict[str, object]:
    """Return the modules, what they do, and the latest requests."""
    traffic = recorder.traffic()
    rows = [
        ModuleRow(each.name, each.owner, traffic.get(each.name, Traffic()), queues.get(each.name))
        for each in sorted(mapped, key=lambda each: each.name)
    ]
    marks = {row.name: _mark(row, tone(row.name)) for row in rows}
    latest = [summarize(each) for each in recorder.traces()]
    return {
        "map": Markup(as_svg(mapped, marks)) if mapped else None,
        "is_small": len(mapped) <= _SMALL,
        "rows": rows,
        "latest": latest[:_LATEST],
        "requests": sum(each.requests for each in traffic.values()),
        "failed": sum(each.failed_requests for each in traffic.values()),
        "median": _median([each.seconds for each in latest if each.method]),
        "waiting": sum(each.jobs["waiting"] + each.jobs["running"] for each in queues.values()),
        "held": sum(each.jobs["held"] for each in queues.values()),
    }


def requests(recorder: Recorder, module: str, failed: bool) -> list[Summary]:
    """Return the traces, the newest first: those in which a module had a part, or something failed,
    where that is asked for."""
    found = (summarize(each) for each in recorder.traces())
    return [
        each
        for each in found
        if (not module or module in each.modules) and (not failed or each.is_failed)
    ]


def trace(found: Trace) -> dict[str, object]:
    """Return all of a trace."""
    lines = sorted(found.lines, key=lambda line: line.at)
    if not found.parts:
        return {"id": found.id, "summary": None, "lines": lines}
    return {
        "id": found.id,
        "summary": summarize(found),
        "waterfall": draw(found),
        "repeated": repeated(found),
        "left_out": found.left_out,
        "lines": lines,
    }


def lines(recorder: Recorder, module: str, level: str) -> list[Line]:
    """Return lines of a module, and of a level or a graver one, where that is asked for."""
    least = _LEVELS.index(level) if level in _LEVELS else 0
    found = [
        each
        for each in recorder.lines()
        if (not module or each.module == module)
        and (each.level not in _LEVELS or _LEVELS.index(each.level) >= least)
    ]
    return found[:_LINES]


def statements(recorder: Recorder, module: str) -> list[Statement]:
    """Return what took most time in the database, of one module where that is asked for."""
    found = [each for each in recorder.statements() if not module or each.module == module]
    return found[:_STATEMENTS]


def traces_of_jobs(recorder: Recorder) -> dict[int, str]:
    """Return in which trace each job was tried, by its id, as far as that is known."""
    found: dict[int, str] = {}
    for each in recorder.traces():
        for part in each.parts:
            if part.kind == "job" and isinstance(id := part.attributes.get("job.id"), int):
                found.setdefault(id, each.id)
    return found


def flags(files: FlagFiles) -> list[FlagRow]:
    """Return every flag, those that have expired first."""
    asked: dict[tuple[str, str], int] = {}
    for family in metrics.flag_evaluations.collect():
        for sample in family.samples:
            if sample.name.endswith("_total"):
                key = sample.labels["feature_flag_key"], sample.labels["feature_flag_result_value"]
                asked[key] = asked.get(key, 0) + int(sample.value)
    today = date.today()
    rows = [
        FlagRow(
            each,
            each.key.partition(".")[0],
            asked.get((each.key, "on"), 0),
            asked.get((each.key, "off"), 0),
            each.expires < today,
        )
        for each in files.flags.values()
    ]
    return sorted(rows, key=lambda row: (not row.has_expired, row.flag.key))


def first_curl(operations: Mapping[str, Sequence[Operation]], address: str) -> str | None:
    """Return a line with which a newcomer can begin: a GET of a module that needs nothing."""
    gets = [
        each
        for module, found in operations.items()
        for each in found
        if each.method == "GET" and "{" not in each.path and module != PLATFORM
    ]
    return gets[0].draft().curl(address) if gets else None


def _mark(row: ModuleRow, tone: str) -> Mark:
    traffic, held = row.traffic, row.queue.jobs["held"] if row.queue else 0
    counted = ((traffic.requests, "request"), (traffic.calls, "call"), (traffic.jobs, "attempt"))
    done = [many(number, noun) for number, noun in counted if number] or ["idle"]
    bad = [f"{traffic.failed_requests} failed"] if traffic.failed_requests else []
    bad += [f"{held} held"] if held else []
    return Mark(
        " · ".join(bad or done[:1]),
        f"{row.name}: {', '.join(done + bad)}",
        f"/_dev/requests?module={row.name}",
        tone,
        bool(bad),
    )


def _median(seconds: list[float]) -> float | None:
    return sorted(seconds)[len(seconds) // 2] if seconds else None
