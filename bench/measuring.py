"""Running what is compared: commands, repositories, scripts inside of one, and time."""

import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv") or str(ROOT / ".tools/bin/uv")
SCAFFOLD = (sys.executable, "-m", "scaffold")
# What a user has not set. Without bytecode each start of Python compiles its libraries anew.
UNSET = ("DATABASE_URL", "ENVIRONMENT", "MAKEFLAGS", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")


class MeasurementError(Exception):
    """What was to be measured did not work; the other comparisons go on."""


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def environment(**more: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if name not in UNSET}
    path = os.pathsep.join([str(Path(UV).parent), ours["PATH"]])
    return {**ours, "PATH": path, "PYTHONPATH": str(ROOT / "src"), **more}


def run(*command: str, cwd: Path, env: Mapping[str, str] = {}, check: bool = True) -> str:
    """Return what a command prints; of one that fails, everything."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise MeasurementError(f"{command[0]} is not there, or not on PATH.") from None
    if done.returncode and check:
        raise MeasurementError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout + (done.stderr if done.returncode else "")


def succeeds(*command: str, cwd: Path, env: Mapping[str, str] = {}) -> bool:
    try:
        run(*command, cwd=cwd, env=env)
    except MeasurementError:
        return False
    return True


def git(*arguments: str, cwd: Path) -> str:
    author = ("-c", "user.name=Bench", "-c", "user.email=bench@example.com")
    return run("git", *author, *arguments, cwd=cwd)


def clock(act: Callable[[], object]) -> float:
    """Return the milliseconds that pass."""
    start = time.perf_counter()
    act()
    return (time.perf_counter() - start) * 1000


def worked(act: Callable[[], object]) -> tuple[float, float]:
    """Return the milliseconds that pass, and those that processors are at work for it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    passed = clock(act)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return passed, seconds * 1000


def alternate(contenders: Mapping[str, Callable[[int], object]], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each, in rounds that alternate; the first warms up."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            taken = clock(partial(contender, number))
            if number:
                times[name].append(taken)
        progress(f"  round {number} of {rounds}")
    return {name: statistics.median(each) for name, each in times.items()}


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Yield a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield Path(name).resolve()


def counted(modules: int) -> str:
    return f"{modules} module{'s' * (modules > 1)}"


def names(modules: int) -> str:
    """Return the answer that names so many modules."""
    return f"modules=[{', '.join(f'm{number}' for number in range(modules))}]"


def shop(path: Path, *answers: str, modules: int = 0) -> Path:
    """Generate a repository with its environment."""
    data = ("--data", names(modules)) if modules else ()
    run(*SCAFFOLD, "new", str(path), "--defaults", *data, *answers, cwd=path.parent)
    run(UV, "sync", "--quiet", cwd=path)
    return path


def inside(script: str, at: Path, *arguments: str, **more: str) -> Any:
    """Run a script of `bench/inside` in a repository; return what it found."""
    progress(f"  inside a repository: {script}")
    done = subprocess.run(
        [at / ".venv/bin/python", ROOT / "bench/inside" / script, *arguments],
        cwd=at,
        env=environment(**more),
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise MeasurementError(f"bench/inside/{script} failed")
    return json.loads(done.stdout.splitlines()[-1])
