"""Sixty repositories brought to a new version of their template, beside one.

A repository is generated and cloned under other names; then, in turn, `scaffold fleet update`
over all and `scaffold update --branch` in one, each a process of its own; medians of three. What
else the machine does shows in the time that passes, and hardly in the processors' time.
"""

import shutil
import statistics
from pathlib import Path

from .measuring import SCAFFOLD, folder, git, progress, run, worked
from .results import Found, Plot, Table
from .tables import Cell
from .update import NEW, change, old_template, shop

REPOSITORIES, ROUNDS = 60, 3
BRANCH = f"scaffold/{NEW}"


def measure() -> Found:
    with folder() as work:
        template = old_template(work)
        progress(f"  generating {REPOSITORIES} repositories")
        first = shop(work / "shop", 5, template)
        (work / "fleet").mkdir()
        for number in range(REPOSITORIES):
            follower(first, work / "fleet" / f"shop-{number:02}", f"shop-{number}")
        change(template)
        update = (*SCAFFOLD, "update", "--branch", BRANCH)
        fleet = (*SCAFFOLD, "fleet", "update", "--jobs", "2", str(work / "fleet"))
        one, all_ = [], []
        for number in range(ROUNDS):
            for _ in range(2):
                one.append(worked(lambda: run(*update, cwd=first)))
                git("branch", "-D", BRANCH, cwd=first)
            all_.append(worked(lambda: run(*fleet, cwd=work)))
            for each in (work / "fleet").iterdir():
                git("branch", "-D", BRANCH, cwd=each)
            progress(f"  round {number + 1} of {ROUNDS}")
    alone, together = map(medians, (one, all_))
    passed, processors = (all_ / one for all_, one in zip(together, alone, strict=True))
    rows: list[list[Cell]] = [
        ["one update", *alone],
        [f"{REPOSITORIES} repositories, two at once", *together],
        ["ratio", passed, processors],
    ]
    return (
        [Table("A fleet", ["", "ms that pass", "ms of processors"], rows)],
        Plot(
            "A fleet's update",
            "milliseconds",
            [("one", alone[0], True), (f"{REPOSITORIES}, two at once", together[0], True)],
        ),
        {"passed": passed, "processors": processors},
        [f"{REPOSITORIES} updates one after the other would be {REPOSITORIES} times one."],
    )


def medians(taken: list[tuple[float, float]]) -> tuple[float, float]:
    passed, processors = zip(*taken, strict=True)
    return statistics.median(passed), statistics.median(processors)


def follower(first: Path, at: Path, name: str) -> None:
    """A repository of another name: no two of a fleet have the same answers."""
    shutil.copytree(first, at, symlinks=True)
    answers = at / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("project_name: shop", f"project_name: {name}"))
    git("commit", "--quiet", "--all", "--message", "Name", cwd=at)
