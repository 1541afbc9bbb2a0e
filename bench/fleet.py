"""Sixty repositories brought to a new version of their template, beside one: the ratio, in one run.

    python bench/fleet.py [REPOSITORIES]

Generates a repository, clones it under other names, and changes a copy of the template as
`bench/update.py` does. Then `scaffold fleet update` over all, and `scaffold update --branch` in
one, each a process of its own; medians of three. REPOSITORIES defaults to 60.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from add_module import PYTHON, ROOT, run
from update import change, clock, git, shop

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
            one.append(clock(lambda: run(*PYTHON, "scaffold", "update", *branch, cwd=first)))
            git("branch", "-D", NEW, cwd=first)
            all_.append(clock(lambda: run(*PYTHON, *fleet, cwd=work)))
            for each in (work / "fleet").iterdir():
                git("branch", "-D", NEW, cwd=each)
    alone, together = statistics.median(one), statistics.median(all_)
    print(f"one update                {alone:7.0f} ms")
    print(f"{number} repositories, 2 at once {together:7.0f} ms")
    print(f"ratio                     {together / alone:7.2f}   bound 12")


def follower(first: Path, folder: Path, name: str) -> None:
    """A repository of another name: no two of a fleet have the same answers."""
    subprocess.run(["cp", "-r", str(first), str(folder)], check=True)
    answers = folder / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("project_name: shop", f"project_name: {name}"))
    author = ("-c", "user.name=Bench", "-c", "user.email=bench@example.com")
    git(*author, "commit", "--quiet", "--all", "--message", "Name", cwd=folder)


if __name__ == "__main__":
    main()
