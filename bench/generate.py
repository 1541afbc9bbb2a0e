"""Generating a repository, and adding a module to it, beside other generators.

Ours with 2, 20, 100 and 300 modules; NestJS's and Nx's command lines, Django's `startproject` and
`startapp`, cookiecutter-django, s3rius' fastapi_template, and full-stack-fastapi-template in its
last release that had a generator. Milliseconds of the command alone: what it installs is left out
where it can be (Nx's and s3rius' cannot); ours commits what it made. Files and lines are what git
sees.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .measuring import SCAFFOLD, alternate, counted, folder, progress, run
from .peers.generators import Generator, find_peers, ours
from .results import Found, Plot, Table
from .tables import Cell

ROUNDS = 5
ONCE = 10
MODULES = (2, 20, 100, 300)
LEFT_OUT = {".git", "node_modules", ".venv", "__pycache__", ".nx"}


def measure() -> Found:
    with folder() as work:
        peers, missing = find_peers()
        made: dict[str, Path] = {}
        generated: list[list[Cell]] = []
        for each in [*(ours(modules) for modules in MODULES), *peers]:
            progress(f"  generating: {each.name}")
            made[each.name], taken = generate(each, work / f"of-{len(made)}")
            files, lines = size(made[each.name])
            generated.append([each.name, taken, files, lines, each.remark])
        adding = {e.name: e for e in (*map(ours, MODULES), *peers) if e.add is not None}
        progress("  adding modules, in rounds that alternate")
        contenders: dict[str, Callable[[int], object]] = {
            name: partial(each.add, made[name]) for name, each in adding.items() if each.add
        }
        contenders["copier --version"] = lambda _: run(
            *SCAFFOLD[:2], "copier", "--version", cwd=work
        )
        own = own_files(made["ours, 2 modules"])
        medians = alternate(contenders, ROUNDS)
        added: list[list[Cell]] = []
        for name, each in adding.items():
            files, lines = size(made[name] / each.module)
            added.append([name, medians[name], files, lines, each.wired(made[name])])
        added += [
            [each.name, None, None, None, "has no such command"] for each in peers if not each.add
        ]
    least, most = (medians[f"ours, {counted(modules)}"] for modules in (MODULES[0], MODULES[-1]))
    nest = medians["nest"]
    return (
        [
            Table("Generating a repository", ["", "ms", "files", "lines", ""], generated),
            Table("Adding a module", ["", "ms", "files", "lines", "wired afterwards"], added),
        ],
        Plot(
            "Adding a module",
            "milliseconds",
            [(name, medians[name], name.startswith("ours")) for name in contenders],
        ),
        {
            "own files": own,
            "nest": least / nest,
            "flat": most / least,
            "copier": least / medians["copier --version"],
        },
        [
            *missing,
            f"Adding a module takes {least / nest:.2f} of `nest generate module`, and with 300"
            f" modules {most / least:.2f} of what it takes with 2.",
            f"We lose the time to generate to {', '.join(faster(generated)) or 'nobody'}, and the"
            f" time to add a module to {', '.join(faster(added)) or 'nobody'}: they write fewer"
            " files, of which less is in use.",
            "We lose in the number of files: a repository comes with its platform's source and"
            " tests, pipelines, alerts and runbooks, all of which are the team's.",
        ],
    )


def generate(by: Generator, work: Path) -> tuple[Path, float]:
    """Return where the repository stands, and the milliseconds that it took.

    Once more where that is quick, since the first time warms what everybody's second one has.
    """
    for attempt in ("first", "second"):
        (work / attempt).mkdir(parents=True)
        start = time.perf_counter()
        at = by.generate(work / attempt)
        if (taken := time.perf_counter() - start) > ONCE:
            break
    return at, taken * 1000


def faster(rows: list[list[Cell]]) -> list[str]:
    """Return who takes less time than ours, which is the first of them."""
    ours = float(str(rows[0][1]))
    others = ((str(row[0]), row[1]) for row in rows if not str(row[0]).startswith("ours"))
    return [name for name, taken in others if taken is not None and float(str(taken)) < ours]


def size(repository: Path) -> tuple[int, int]:
    """Return the number of files, and of lines of those that are text."""
    files = [
        path
        for path in repository.rglob("*")
        if path.is_file() and not LEFT_OUT & set(path.relative_to(repository).parts)
    ]
    contents = [path.read_bytes() for path in files]
    return len(files), sum(each.count(b"\n") for each in contents if b"\0" not in each)


def own_files(repository: Path) -> int:
    """Return the files that are neither a module's nor a test of the platform's."""
    counted = size(repository)[0]
    return counted - sum(
        size(repository / each)[0] for each in ("src/app/modules", "tests/platform")
    )


def if_has(repository: Path, file: str, word: str, then: str) -> str:
    """Return what is true of a repository whose file has a word, else that it has not."""
    return then if word in (repository / file).read_text() else f"nothing: not in {file}"
