"""Sixty repositories brought to a new version of their template, beside one: the ratio, in one run.

    python bench/fleet.py [REPOSITORIES]

Generates a repository, clones it under other names, and changes a copy of the template as
`bench/update.py` does. Then, in turn, `scaffold fleet update` over all and `scaffold update
--branch` in one, each a process of its own; medians of three. What else the machine does shows in
the time that passes, and hardly in the processors' time. REPOSITORIES defaults to 60.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from add_module import PYTHON, ROOT, run
from update import change, git, shop

NEW = "scaffold/v9000.1.0"


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        template = work / "template"
        git("clone", "--quiet", str(ROOT), str(template), cwd=work)
        git("tag", "v9000.0.0", cwd=template)
        first = shop(work / "shop", 5, template)
        (work / "fleet").mkdir()
        for each in range(number):
            follower(first, work / "fleet" / f"shop-{each:02}", f"shop-{each}")
        change(template)
        branch = ("--branch", NEW)
        fleet = ("scaffold", "fleet", "update", "--jobs", "2", str(work / "fleet"))
        one, all_ = [], []
        for _ in range(3):
            for _ in range(2):
                one.append(taken(lambda: run(*PYTHON, "scaffold", "update", *branch, cwd=first)))
                git("branch", "-D", NEW, cwd=first)
            all_.append(taken(lambda: run(*PYTHON, *fleet, cwd=work)))
            for each in (work / "fleet").iterdir():
                git("branch", "-D", NEW, cwd=each)
    print("                            passed   processors")
    alone, together = map(medians, (one, all_))
    print(f"one update                {alone[0]:7.0f} ms {alone[1]:7.0f} ms")
    print(f"{number} repositories, 2 at once {together[0]:7.0f} ms {together[1]:7.0f} ms")
    ratios = [all_ / one for all_, one in zip(together, alone, strict=True)]
    print(f"ratio                     {ratios[0]:7.2f}    {ratios[1]:7.2f}      bound 12")


def medians(taken: list[tuple[float, float]]) -> tuple[float, float]:
    passed, worked = zip(*taken, strict=True)
    return statistics.median(passed), statistics.median(worked)


def taken(act: Callable[[], None]) -> tuple[float, float]:
    """The milliseconds that pass, and those that processors are at work for it."""
    before, start = os.times(), time.perf_counter()
    act()
    after, passed = os.times(), time.perf_counter() - start
    worked = sum(after[2:4]) - sum(before[2:4])
    return passed * 1000, worked * 1000


def follower(first: Path, folder: Path, name: str) -> None:
    """A repository of another name: no two of a fleet have the same answers."""
    subprocess.run(["cp", "-r", str(first), str(folder)], check=True)
    answers = folder / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("project_name: shop", f"project_name: {name}"))
    author = ("-c", "user.name=Bench", "-c", "user.email=bench@example.com")
    git(*author, "commit", "--quiet", "--all", "--message", "Name", cwd=folder)


if __name__ == "__main__":
    main()
