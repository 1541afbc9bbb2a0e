"""Looking at a repository, beside Copier: medians and their ratios, in one run.

    python bench/doctor.py [ROUNDS]

Runs `scaffold doctor` in repositories of 5 and of 100 modules, of a template that is a release
ahead, and in one with edits and a missing file besides. Beside it: `copier --version`.
Milliseconds; ROUNDS defaults to 7.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from add_module import PYTHON, ROOT, run
from update import change, clock, git, shop

BOUND = 3
EDITED = ("checks/flags.py", "src/app/platform/jobs/worker.py", "src/app/platform/web/health.py")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        template = work / "template"
        git("clone", "--quiet", str(ROOT), str(template), cwd=work)
        git("tag", "v9000.0.0", cwd=template)
        shops = {f"{n} modules": shop(work / f"shop{n}", n, template) for n in (5, 100)}
        git("clone", "--quiet", str(shops["5 modules"]), "off", cwd=work)
        shops["5 modules, off the path"] = work / "off"
        stray(work / "off")
        times: dict[str, list[float]] = {}
        for number in range(rounds + 1):  # The first round warms the caches and does not count.
            taken = {
                "copier --version": clock(lambda: run(*PYTHON, "copier", "--version", cwd=work))
            }
            for name, at in shops.items():
                taken[name] = clock(lambda at=at: run(*PYTHON, "scaffold", "doctor", cwd=at))
            if number:
                for name, milliseconds in taken.items():
                    times.setdefault(name, []).append(milliseconds)
            else:
                change(template)
    medians = {name: statistics.median(each) for name, each in times.items()}
    start = medians.pop("copier --version")
    print(f"{'copier --version':32} {start:7.0f} ms")
    for name, median in medians.items():
        print(f"{'doctor, ' + name:32} {median:7.0f} ms  {median / start:5.2f} x   bound {BOUND}")


def stray(shop: Path) -> None:
    """Leave the path."""
    for path in EDITED:
        with (shop / path).open("a") as file:
            file.write("\n# Ours.\n")
    (shop / "docs/scaling.md").unlink()
    author = ("-c", "user.name=Bench", "-c", "user.email=bench@example.com")
    git(*author, "commit", "--quiet", "--all", "--message", "Edit", cwd=shop)


if __name__ == "__main__":
    main()
