"""Following the template: one `scaffold update` beside one `copier update` after the other.

A copy of the template gets a line more in the Makefile and in each module's `service.py`.
Repositories of 1, 5, 20 and 100 modules are brought there: by `scaffold update`, and by `copier
update` of the app and then of each module, which is what plain Copier offers. At 100 modules five
of them are updated and the rest is calculated, as each takes the same. `copier --version` is what
no user of Copier can get below.
"""

import statistics
from functools import partial
from pathlib import Path

from .measuring import ROOT, SCAFFOLD, alternate, clock, counted, folder, git, names, progress, run
from .results import Found, Plot, Table
from .tables import Cell

SKELETON = "template/src/app/modules/{% yield module from modules %}{{ module }}{% endyield %}"
CHANGED = (f"{SKELETON}/service.py.jinja", "template/Makefile.jinja")
MODULES = (1, 5, 20, 100)
BY_COPIER = (1, 20, 100)
MOST = 20
"""So many modules are updated by Copier for real."""
SAMPLE, ROUNDS = 5, 5
COPIER = (*SCAFFOLD[:2], "copier")
OLD, NEW = "v9000.0.0", "v9000.1.0"


def measure() -> Found:
    with folder() as work:
        template = old_template(work)
        progress("  generating repositories")
        shops = {modules: shop(work / f"shop{modules}", modules, template) for modules in MODULES}
        change(template)

        def update(at: Path, _number: int) -> None:
            run(*SCAFFOLD, "update", "--to", NEW, cwd=at)
            git("reset", "--quiet", "--hard", "HEAD~1", cwd=at)

        medians = alternate(
            {
                "copier": lambda _: run(*COPIER, "--version", cwd=work),
                **{str(modules): partial(update, at) for modules, at in shops.items()},
            },
            ROUNDS,
        )
        copied = {modules: one_by_one(shops[modules], modules) for modules in BY_COPIER}
    start = medians["copier"]
    rows: list[list[Cell]] = []
    for modules in MODULES:
        mine, theirs = medians[str(modules)], copied.get(modules)
        ratio = theirs / mine if theirs else None
        rows.append([counted(modules), mine, mine / start, theirs, ratio])
    columns = ["", "scaffold update, ms", "to copier --version", "copier update, ms", "to ours"]
    bars = [(f"ours, {counted(modules)}", medians[str(modules)], True) for modules in BY_COPIER]
    bars += [
        (f"copier update, {counted(modules)}", copied[modules], False) for modules in BY_COPIER
    ]
    return (
        [Table("Following the template", columns, rows)],
        Plot("Following the template", "milliseconds", bars, True),
        {"5": medians["5"] / start, "100": medians["100"] / start},
        [
            f"`copier --version` took {start:.0f} ms.",
            "Both end with the same files, but not with the same report: a conflict of `copier"
            " update` exits 0 (`docs/adr/0048-an-update-is-one-merge-made-aside.md`).",
        ],
    )


def one_by_one(at: Path, modules: int) -> float:
    """Return the milliseconds of `copier update` for the app and for each module."""
    progress(f"  copier update, {counted(modules)}")
    update = (*COPIER, "update", "--defaults", "--quiet", "--vcs-ref", NEW)
    taken = clock(lambda: run(*update, cwd=at))
    git("commit", "--quiet", "--all", "--message", "Update", cwd=at)
    each = []
    for number in range(modules if modules <= MOST else SAMPLE):
        answers = f"src/app/modules/m{number}/.copier-answers.module.yml"
        each.append(clock(partial(run, *update, "--answers-file", answers, cwd=at)))
        git("commit", "--quiet", "--allow-empty", "--all", "--message", "Update", cwd=at)
    return taken + modules * statistics.mean(each)


def old_template(work: Path) -> Path:
    """Return a copy of the template, as a release that is far ahead of all others."""
    git("clone", "--quiet", str(ROOT), str(work / "template"), cwd=work)
    git("tag", OLD, cwd=work / "template")
    return work / "template"


def change(template: Path) -> None:
    """Make the version to come."""
    for path in CHANGED:
        with (template / path).open("a") as file:
            file.write("\n# One line more.\n")
    git("commit", "--quiet", "--all", "--message", "Change", cwd=template)
    git("tag", NEW, cwd=template)


def shop(at: Path, modules: int, template: Path) -> Path:
    about = ("--defaults", "--from", str(template), "--data", names(modules))
    run(*SCAFFOLD, "new", str(at), *about, cwd=at.parent)
    return at
