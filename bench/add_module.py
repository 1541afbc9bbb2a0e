"""Adding a module, beside a peer that generates one: medians and their ratio, in one run.

    python bench/add_module.py [ROUNDS]

Compares `scaffold add-module` in a repository of 2 and of 300 modules with `nest generate module`
(npm, fetched into a temporary folder) and with `copier --version`, below which no user of Copier
can get. Milliseconds; ROUNDS defaults to 7.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = (sys.executable, "-m")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    if shutil.which("npm") is None:
        sys.exit("bench/add_module.py needs npm on PATH, for the peer `nest`.")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        small, large = shop(work / "small", 2), shop(work / "large", 300)
        nest = peer(work)
        contenders: dict[str, Callable[[int], None]] = {
            "scaffold add-module, 2 modules": lambda n: run(*add(n), cwd=small),
            "scaffold add-module, 300 modules": lambda n: run(*add(n), cwd=large),
            "nest generate module": lambda n: run(
                "npx", "--no-install", "nest", "generate", "module", f"added{n}", cwd=nest
            ),
            "copier --version": lambda _: run(*PYTHON, "copier", "--version", cwd=work),
        }
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(rounds + 1):  # The first round warms the caches and does not count.
            for name, contender in contenders.items():
                start = time.perf_counter()
                contender(number)
                if number:
                    times[name].append((time.perf_counter() - start) * 1000)
    medians = {name: statistics.median(each) for name, each in times.items()}
    for name, median in medians.items():
        print(f"{name:34} {median:7.0f} ms")
    ours, theirs = medians["scaffold add-module, 2 modules"], medians["nest generate module"]
    print(f"\nadd-module / nest            {ours / theirs:.2f}")
    print(f"300 modules / 2 modules      {medians['scaffold add-module, 300 modules'] / ours:.2f}")
    print(f"add-module / copier startup  {ours / medians['copier --version']:.2f}")


def add(number: int) -> tuple[str, ...]:
    return (*PYTHON, "scaffold", "add-module", f"added{number}")


def shop(folder: Path, modules: int) -> Path:
    names = ", ".join(f"m{number}" for number in range(modules))
    command = ("new", str(folder), "--defaults", "--no-git", "--data", f"modules=[{names}]")
    run(*PYTHON, "scaffold", *command, cwd=folder.parent)
    return folder


def peer(work: Path) -> Path:
    """A NestJS project with its command line installed."""
    run("npm", "install", "--silent", "--prefix", str(work), "@nestjs/cli@^11", cwd=work)
    nest = str(work / "node_modules" / ".bin" / "nest")
    run(nest, "new", "peer", "--skip-git", "--skip-install", "--package-manager=npm", cwd=work)
    run("npm", "install", "--silent", cwd=work / "peer")
    return work / "peer"


def run(*command: str, cwd: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    # A command that is installed has its bytecode beside it.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
