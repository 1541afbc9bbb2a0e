"""Looking at a repository, beside Copier's start.

`scaffold doctor` in repositories of 5 and of 100 modules, of a template that is a release ahead,
and in one with edits and a missing file besides. Beside it `copier --version`.
"""

from functools import partial
from pathlib import Path

from .measuring import SCAFFOLD, alternate, folder, git, progress, run
from .results import Found, Plot, Table
from .tables import Cell
from .update import COPIER, change, old_template, shop

ROUNDS = 7
EDITED = ("checks/flags.py", "src/app/platform/jobs/worker.py", "src/app/platform/web/health.py")


def measure() -> Found:
    with folder() as work:
        template = old_template(work)
        progress("  generating repositories")
        shops = {f"{n} modules": shop(work / f"shop{n}", n, template) for n in (5, 100)}
        git("clone", "--quiet", str(shops["5 modules"]), "off", cwd=work)
        shops["5 modules, off the path"] = work / "off"
        stray(work / "off")
        change(template)
        medians = alternate(
            {
                "copier --version": lambda _: run(*COPIER, "--version", cwd=work),
                **{name: partial(examine, at) for name, at in shops.items()},
            },
            ROUNDS,
        )
    start = medians["copier --version"]
    rows: list[list[Cell]] = [[name, each, each / start] for name, each in medians.items()]
    return (
        [Table("scaffold doctor", ["", "ms", "to copier --version"], rows)],
        Plot(
            "scaffold doctor", "milliseconds", [(n, m, "modules" in n) for n, m in medians.items()]
        ),
        {"most": max(medians.values()) / start},
        [],
    )


def examine(at: Path, _number: int) -> None:
    run(*SCAFFOLD, "doctor", cwd=at, check=False)  # It has something to say of each.


def stray(shop: Path) -> None:
    """Leave the path."""
    for path in EDITED:
        with (shop / path).open("a") as file:
            file.write("\n# Ours.\n")
    (shop / "docs/scaling.md").unlink()
    git("commit", "--quiet", "--all", "--message", "Edit", cwd=shop)
