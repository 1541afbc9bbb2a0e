"""Following the template, beside Copier: medians and their ratios, in one run.

    python bench/update.py [ROUNDS]

Changes a file of the app and one of the skeleton in a copy of the template, and brings
repositories of 5 and of 100 modules there by `scaffold update`. Beside it: `copier --version`,
below which no user of Copier can get, and one `copier update`: the app without its modules.
Milliseconds; ROUNDS defaults to 5.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from add_module import PYTHON, ROOT, run

SKELETON = "template/src/app/modules/{% yield module from modules %}{{ module }}{% endyield %}"
CHANGED = (f"{SKELETON}/service.py.jinja", "template/Makefile.jinja")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        template = work / "template"
        git("clone", "--quiet", str(ROOT), str(template), cwd=work)
        git("tag", "v9000.0.0", cwd=template)
        shops = {number: shop(work / f"shop{number}", number, template) for number in (5, 100)}
        change(template)
        times: dict[str, list[float]] = {}
        for number in range(rounds + 1):  # The first round warms the caches and does not count.
            taken = {
                "copier --version": clock(lambda: run(*PYTHON, "copier", "--version", cwd=work))
            }
            for modules, at in shops.items():
                taken[f"scaffold update, {modules} modules"] = clock(lambda at=at: update(at))
                git("reset", "--quiet", "--hard", "HEAD~1", cwd=at)
            if number < 3:  # It takes its time.
                taken["copier update, 5 modules, the app"] = clock(lambda: by_copier(shops[5]))
                git("reset", "--quiet", "--hard", cwd=shops[5])
            if number:
                for name, milliseconds in taken.items():
                    times.setdefault(name, []).append(milliseconds)
    medians = {name: statistics.median(each) for name, each in times.items()}
    for name, median in medians.items():
        print(f"{name:34} {median:7.0f} ms")
    start = medians["copier --version"]
    print()
    for modules, bound in ((5, 2.5), (100, 5)):
        ratio = medians[f"scaffold update, {modules} modules"] / start
        print(f"{modules:3} modules / copier --version  {ratio:6.2f}   bound {bound}")
    alone = medians["copier update, 5 modules, the app"]
    print(f"100 modules / one copier update{medians['scaffold update, 100 modules'] / alone:5.2f}")


def change(template: Path) -> None:
    """Make the version to come."""
    for path in CHANGED:
        with (template / path).open("a") as file:
            file.write("\n# One line more.\n")
    author = ("-c", "user.name=Bench", "-c", "user.email=bench@example.com")
    git(*author, "commit", "--quiet", "--all", "--message", "Change", cwd=template)
    git("tag", "v9000.1.0", cwd=template)


def update(shop: Path) -> None:
    run(*PYTHON, "scaffold", "update", "--to", "v9000.1.0", cwd=shop)


def by_copier(shop: Path) -> None:
    run(*PYTHON, "copier", "update", "--defaults", "--vcs-ref", "v9000.1.0", cwd=shop)


def shop(folder: Path, modules: int, template: Path) -> Path:
    names = ", ".join(f"m{number}" for number in range(modules))
    about = ("--defaults", "--from", str(template), "--data", f"modules=[{names}]")
    run(*PYTHON, "scaffold", "new", str(folder), *about, cwd=folder.parent)
    return folder


def clock(act: Callable[[], None]) -> float:
    start = time.perf_counter()
    act()
    return (time.perf_counter() - start) * 1000


def git(*arguments: str, cwd: Path) -> None:
    subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True)


if __name__ == "__main__":
    main()
