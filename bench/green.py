"""From nothing to green tests, with cold and with warm caches, and no database on the machine.

The command that generates, the installation of what it needs, and its tests, each as its own
documentation says, without DATABASE_URL. Cold: uv's and npm's caches are empty, so it takes what
the network takes.
"""

import os
import re
import shutil
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from .installing import has_python
from .measuring import ROOT, folder, progress, run, shop
from .peers.generators import Generator, find_peers, ours
from .results import Found, Plot, Table
from .tables import Cell

ROUNDS = 2
BEFORE = 13.8  # Seconds beyond the installation, before the platform had rooms.
WANTS = {"cookiecutter-django": "3.14", "s3rius fastapi_template": "3.12"}


@dataclass(frozen=True)
class Way:
    """What one types after the repository is there."""

    install: str
    test: str
    within: str = "."


WAYS = {
    "ours": Way("uv sync --quiet", "make test"),
    "nest": Way("npm install --silent", "npm test"),
    "django-admin": Way(
        "uv venv --quiet && uv pip install --quiet 'django>=5.2,<5.3'",
        ".venv/bin/python manage.py test",
    ),
    "s3rius fastapi_template": Way("uv sync --quiet", "uv run pytest -q"),
    "full-stack-fastapi-template": Way("uv sync --quiet", "uv run pytest -q tests", "backend"),
}
COUNTED = re.compile(r"\d+ (?:passed|failed|errors?)\b|Ran \d+ tests?")


def measure() -> Found:
    with folder() as work:
        peers, _ = find_peers()
        rows: list[list[Cell]] = []
        for generator in (ours(2, "ours"), *peers):
            if generator.name not in WAYS or not has_python(WANTS.get(generator.name, "3.11")):
                continue
            progress(f"  {generator.name}, cold caches")
            caches = {"UV_CACHE_DIR": str(work / "uv"), "npm_config_cache": str(work / "npm")}
            cold, said = seconds(generator, work, caches)
            progress(f"  {generator.name}, warm caches")
            warm = min((seconds(generator, work, {})[0] for _ in range(ROUNDS)), key=sum)
            rows.append([generator.name, *warm, sum(warm), sum(cold), said])
        progress("  a database for each of many tests")
        at = shop(work / "databases")
        shutil.copy(ROOT / "bench/inside/test_databases.py", at / "tests/test_databases.py")
        printed = run(".venv/bin/pytest", "-qs", "tests/test_databases.py", cwd=at)
        database = float(re.findall(r"milliseconds: ([\d.]+)", printed)[0])
    generate, _, test = (float(str(each)) for each in rows[0][1:4])
    beyond = generate + test
    columns = ["seconds", "generate", "install", "test", "in all, warm", "in all, cold", "tests"]
    return (
        [Table("From nothing to the end of the tests", columns, rows)],
        Plot(
            "From nothing to the end of the tests, warm caches",
            "seconds",
            [(str(row[0]), float(str(row[4])), row[0] == "ours") for row in rows],
        ),
        {"beyond": beyond, "of before": beyond / BEFORE, "database": database},
        [
            f"{name} was not run: it wants Python {version}, which is not on this machine and which"
            " uv could not fetch."
            for name, version in WANTS.items()
            if not has_python(version)
        ]
        + [
            f"Ours takes {beyond:.1f} s beyond the installation, for a Postgres that is made,"
            " migrated and asked. Most of the rest is Python's own start"
            " (`docs/adr/0072-where-speed-ends.md`).",
            "full-stack-fastapi-template's tests want a Postgres that runs, and end in errors"
            " without.",
            f"A database for a test takes {database:.0f} ms, a row that is written to it included.",
            "We lose to Django's empty project, which has no test and asks no server.",
        ],
    )


def seconds(generator: Generator, work: Path, env: dict[str, str]) -> tuple[list[float], str]:
    """Return what each step takes in an empty folder, and how the tests ended."""
    here = work / "here"
    here.mkdir()
    os.sync()  # What the round before has deleted is not to be waited for in this one.
    way, took = WAYS[generator.name], [time.perf_counter()]
    at = generator.generate(here) / way.within
    took.append(time.perf_counter())
    run("sh", "-c", way.install, cwd=at, env=env)
    took.append(time.perf_counter())
    said = run("sh", "-c", f"{way.test} 2>&1", cwd=at, env=env, check=False)
    took.append(time.perf_counter())
    for each in (here, *map(Path, env.values())):
        shutil.rmtree(each, ignore_errors=True)
    return [after - before for before, after in pairwise(took)], tests_of(said)


def tests_of(said: str) -> str:
    """Return how tests ended, by what their runner says last."""
    counts = (COUNTED.findall(line) for line in reversed(said.splitlines()))
    return ", ".join(next(filter(None, counts), ["no test"]))
