"""What a comparison found, and what it was found on; kept as JSON in `bench/results/`."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .measuring import ROOT, run
from .tables import Cell, as_text

FOLDER = Path(__file__).with_name("results")


@dataclass(frozen=True)
class Table:
    """Figures; a column of numbers is shown with as many digits as they deserve."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]

    def __str__(self) -> str:
        return f"{self.title}\n{as_text(self.columns, self.rows)}"


@dataclass(frozen=True)
class Plot:
    """One bar for each row; `ours` are drawn in another colour."""

    title: str
    unit: str
    bars: list[tuple[str, float, bool]]
    logarithmic: bool = False


Found = tuple[list[Table], Plot, dict[str, float], list[str]]
"""What a comparison returns: tables, a plot, figures that bounds are held against, notes."""


@dataclass
class Result:
    name: str
    tables: list[Table]
    plot: Plot
    figures: dict[str, float]
    notes: list[str]
    about: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n\n".join([*map(str, self.tables), *self.notes, ""])


def about() -> dict[str, Any]:
    """Return the day, and what is measured on. Neither paths nor names of machines."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "commit": run("git", "rev-parse", "--short", "HEAD", cwd=ROOT).strip(),
        "machine": f"{os.cpu_count()} x {processor()}, {memory:.0f} GB, {platform.system()}",
        "python": platform.python_version(),
        "copier": version("copier"),
        "load": round(os.getloadavg()[0], 1),
    }


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def save(result: Result) -> None:
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(asdict(result), indent=1, ensure_ascii=False)
    (FOLDER / f"{result.name}.json").write_text(text + "\n")


def load(name: str) -> Result | None:
    file = FOLDER / f"{name}.json"
    if not file.is_file():
        return None
    found = json.loads(file.read_text())
    tables = [Table(**each) for each in found.pop("tables")]
    plot = Plot(**found.pop("plot"))
    return Result(**found, tables=tables, plot=plot)
