"""What tests assert: each is run once more, as CI runs it, for the figure that it finds.

These bounds are no ratios: no request fails, nothing is lost. A test without a figure of its own
stands among the bounds with a 0, for it passed. They need what CI has: Linux, root, and Debian's
packages.
"""

import re
from pathlib import Path
from xml.etree import ElementTree

from .measuring import ROOT, UV, MeasurementError, clock, folder, progress, run, shop
from .results import Found, Plot, Table
from .tables import Cell

GROUPS = ("--group", "deployment", "--group", "image", "--group", "pipeline")
OURS = {
    "clinic": "test_clinic.py",
    "kills": "test_example.py -k killed_workers",
    "faults": "faults",
    "renamed": "test_moved.py",
    "restart": "test_scaling.py -k rolling_restart",
    "column": "test_zero_downtime.py -k column_is_renamed",
    "image": "test_image.py -k adds_little",
}
OF_A_REPOSITORY = {
    "pool": "database/test_database.py -k thousand_mixed_transactions",
    "metrics": "monitoring/test_metrics.py -k three_hundred_modules",
}


def measure() -> Found:
    figures: dict[str, float] = {}
    took: dict[str, float] = {}
    with folder() as work:
        for name, test in OURS.items():
            report = work / f"{name}.xml"
            figures[name], took[test] = run_test(f"tests/template/{test}", ROOT, report, *GROUPS)
        at = shop(work / "shop")
        for name, test in OF_A_REPOSITORY.items():
            report = work / f"{name}.xml"
            figures[name], took[test] = run_test(f"tests/platform/{test}", at, report)
    progress("  make test-docs")
    figures["docs"] = clock(lambda: run("make", "test-docs", cwd=ROOT)) / 1000
    figures["faults"] = took["faults"]
    rows: list[list[Cell]] = [[test, seconds] for test, seconds in took.items()]
    rows.append(["make test-docs", figures["docs"]])
    return (
        [Table("What the tests take", ["", "seconds"], rows)],
        Plot("What the tests take", "seconds", [(str(a), float(str(b)), True) for a, b in rows]),
        figures,
        [],
    )


def run_test(test: str, at: Path, report: Path, *groups: str) -> tuple[float, float]:
    """Return the figure that a test found, and the seconds that it took."""
    progress(f"  {test}")
    options = ("-q", "-p", "no:cacheprovider", f"--junitxml={report}")
    command = (UV, "run", "--quiet", *groups, "pytest", *options, *test.split())
    said = run(*command, cwd=at, env={"KILLS": "20"}, check=False)
    if not re.search(r"\d passed", said) or re.search(r"\d (failed|error)", said):
        raise MeasurementError(f"{test} did not pass:\n{said}")
    suite = ElementTree.parse(report).getroot()[0]
    found = suite.find(".//property[@name='figure']")
    return 0 if found is None else float(found.attrib["value"]), float(suite.attrib["time"])
