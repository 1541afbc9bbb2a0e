"""Every bound that was ever set for this project, beside what is measured today."""

from collections.abc import Mapping
from dataclasses import dataclass

from .results import Result
from .tables import Cell


@dataclass(frozen=True)
class Bound:
    what: str
    limit: str
    """`≤ 3` or `≥ 0.5`, then perhaps a unit."""
    figure: str
    """`jobs: pick-up`: the comparison, and the name it gave the figure."""
    why: str = ""
    """Why it is missed, where it is."""

    def today(self, results: Mapping[str, Result]) -> float | None:
        comparison, _, name = self.figure.partition(": ")
        return results[comparison].figures.get(name) if comparison in results else None

    def is_held(self, today: float) -> bool:
        sign, number, *_ = self.limit.split()
        limit = float(number)
        return today <= limit if sign == "≤" else today >= limit

    def row(self, results: Mapping[str, Result]) -> list[Cell]:
        comparison = self.figure.partition(": ")[0]
        by = f"`make bench only={comparison}`"
        if (today := self.today(results)) is None:
            return [self.what, self.limit, "not measured", "", by]
        if self.is_held(today):
            return [self.what, self.limit, today, "yes", by]
        reasons = [by, self.why or busy(results[comparison])]
        # With three digits, so that it is seen how little may be missing.
        return [self.what, self.limit, f"{today:.3g}", "**no**", ". ".join(filter(None, reasons))]


def busy(result: Result) -> str:
    """Say so where others were at work: then a figure that is missed proves little."""
    load = result.about.get("load", 0)
    return f"The machine was busy: load {load}" if load > QUIET else ""


QUIET = 1.0
SPEED_ENDS = "See [where speed ends](adr/0072-where-speed-ends.md)"
JUDGED = "Judged wrong: platform, checks and development are most of them, and pinned by tests"

BOUNDS = {
    "From nothing to green": [
        Bound("`add-module` to `nest generate module`", "≤ 0.33", "generate: nest"),
        Bound("`add-module` at 300 modules to the same at 2", "≤ 1.1", "generate: flat"),
        Bound("beyond the installation", "≤ 10 s", "green: beyond", why=SPEED_ENDS),
        Bound("the same, of 13.8 s before rooms", "≤ 0.5", "green: of before", why=SPEED_ENDS),
    ],
    "Boundaries": [
        Bound("a call through the boundary, beyond a plain one", "≤ 3 µs", "calls: boundary"),
        Bound("a transaction under a role to one without", "≤ 1.05", "calls: role"),
        Bound("imports, SQL and types of 300 modules, warm", "≤ 5 s", "walls: warm"),
        Bound("planted violations that are refused, of all", "≥ 1", "walls: caught"),
        Bound("a database for a test", "≤ 30 ms", "green: database"),
        Bound("1,000 mixed transactions leave a clean pool", "≤ 0 failed", "asserted: pool"),
    ],
    "Queue": [
        Bound("jobs per second to the bare loop, least of four", "≥ 0.75", "jobs: least"),
        Bound("pick-up, p99", "≤ 20 ms", "jobs: pick-up"),
        Bound("enqueue to a bare INSERT in the same transaction", "≤ 1.5", "jobs: enqueue"),
        Bound("20 times `kill -9` under 2,000 jobs", "≤ 0 failed", "asserted: kills"),
    ],
    "Edge": [
        Bound("one SELECT to FastAPI on bare asyncpg", "≥ 0.85", "edge: bare", why=SPEED_ENDS),
        Bound("the same, since the platform has rooms", "≥ 0.88", "edge: bare", why=SPEED_ENDS),
        Bound("a rolling restart under load", "≤ 0 failed", "asserted: restart"),
    ],
    "Signals": [
        Bound("5 % traced to none, of the processor's time", "≥ 0.85", "signals: sampled"),
        Bound("all traced to none, of the processor's time", "≥ 0.6", "signals: traced"),
        Bound(
            "300 modules, 1,000 unknown URLs in `/metrics`", "≤ 0 failed", "asserted: metrics"
        ),
    ],
    "Deployment": [
        Bound("the image over its base", "≤ 150 MB", "asserted: image"),
        Bound("`app serve` until it is ready", "≤ 3 s", "startup: ready"),
        Bound(
            "a column renamed by four roll-outs under load", "≤ 0 failed", "asserted: column"
        ),
    ],
    "Faults": [
        Bound("the layer of faults, as a whole", "≤ 120 s", "asserted: faults"),
    ],
    "Updates": [
        Bound("100 modules to `copier --version`", "≤ 5", "update: 100"),
        Bound("5 modules to `copier --version`", "≤ 2.5", "update: 5"),
    ],
    "Rooms": [
        Bound("CPU of `app --help`, of 873ff91's", "≤ 0.3", "startup: help"),
        Bound("CPU of `app modules`, of 873ff91's", "≤ 0.3", "startup: modules"),
        Bound("CPU of importing the application to four libraries", "≤ 1.15", "startup: import"),
        Bound("memory after importing it to the same", "≤ 1.25", "startup: memory"),
        Bound("a reload of `make dev`, of 873ff91's", "≤ 0.5", "startup: reload"),
        Bound("files beside modules and tests", "≤ 170", "generate: own files", why=JUDGED),
    ],
    "A developer's day": [
        Bound("hand-written lines of a clinic, of before", "≤ 0.5", "asserted: clinic"),
    ],
    "Moves and fleets": [
        Bound("60 repositories to one update, time that passes", "≤ 12", "fleet: passed"),
        Bound("`doctor` to `copier --version`", "≤ 3", "doctor: most"),
        Bound(
            "modules renamed and removed under requests", "≤ 0 failed", "asserted: renamed"
        ),
    ],
    "Documentation": [
        Bound("all commands of README and documentation, typed", "≤ 300 s", "asserted: docs"),
    ],
    "Carving": [
        Bound("a remote call to a bare httpx call", "≤ 1.5", "calls: remote"),
        Bound(
            "a million rows copied to `pg_dump \\| psql`",
            "≥ 0.5",
            "move_data: copy_speed",
            why=SPEED_ENDS,
        ),
        Bound("one database to a second one, in requests", "≤ 1.05", "own_database: overhead"),
        Bound("the pause of a move, p99 of requests", "≤ 2 s", "move_data: pause_p99_s"),
    ],
}  # fmt: skip


def missed(results: Mapping[str, Result]) -> list[str]:
    """Return the names of bounds that are measured and not held."""
    return [
        bound.what
        for bounds in BOUNDS.values()
        for bound in bounds
        if (today := bound.today(results)) is not None and not bound.is_held(today)
    ]
