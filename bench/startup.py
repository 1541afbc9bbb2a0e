"""What starting costs: commands, a server, a reload of `app dev`, and memory, by number of modules.

A repository of today beside one of the template as it was before the platform had rooms
(873ff91), and beside importing fastapi, sqlalchemy's asyncio, asyncpg and uvicorn, without which
nothing starts. Then a server of 1, 20 and 100 modules, until it answers and until it is ready,
beside the bare FastAPI of the comparison of requests. Seconds of the processor, the least of some
rounds. Needs Linux.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from .edge import PACKAGES
from .installing import python
from .measuring import (
    ROOT,
    UV,
    MeasurementError,
    counted,
    environment,
    folder,
    progress,
    run,
    shop,
    succeeds,
)
from .results import Found, Plot, Table
from .tables import Cell

ROUNDS, MODULES, BEFORE = 4, (1, 20, 100), "873ff91"
LIBRARIES = "import fastapi, sqlalchemy.ext.asyncio, asyncpg, uvicorn"
COMMANDS = {
    "four libraries": ("python", "-c", LIBRARIES),
    "import app.main": ("python", "-c", "import app.main"),
    "app --help": ("app", "--help"),
    "app modules": ("app", "modules"),
}
PRODUCTION = {
    "ENVIRONMENT": "production",
    "METRICS_PORT": "0",
    "OIDC_ISSUER": "https://issuer.invalid",
    "OIDC_AUDIENCE": "shop",
}
ROUTES = "src/app/modules/catalog/routes.py"
TICK = os.sysconf("SC_CLK_TCK")

Measured = dict[str, float]


def measure() -> Found:
    with folder() as work, before(work) as old:
        progress("  generating repositories")
        shops = {"today": shop(work / "today"), **({"before": old} if old else {})}
        found = day(shops)
        served: dict[str, Measured] = {}
        for modules in MODULES:
            progress(f"  a server of {counted(modules)}")
            at = shop(work / f"of-{modules}", modules=modules)
            with developing(at, 8710) as (_, database):
                if not served:
                    served["FastAPI + asyncpg"] = bare(database)
                served[f"ours, {counted(modules)}"] = server(at, database)
    today, then = found["today"], found.get("before", {})
    rows: list[list[Cell]] = [
        [what, value, then.get(what), value / then[what] if then else None]
        for what, value in today.items()
    ]
    columns = ["", "CPU s to answer", "CPU s to be ready", "s to be ready", "MB"]
    servers: list[list[Cell]] = [[name, *each.values()] for name, each in served.items()]
    libraries = today["CPU of four libraries"], today["MB of four libraries"]
    figures = {
        "import": today["CPU of import app.main"] / libraries[0],
        "memory": today["MB of import app.main"] / libraries[1],
        "ready": served["ours, 1 module"]["seconds"],
    }
    if then:
        for name, what in {"help": "CPU of app --help", "modules": "CPU of app modules"}.items():
            figures[name] = today[what] / then[what]
        figures["reload"] = today["seconds of a reload"] / then["seconds of a reload"]
    return (
        [
            Table("Starting, in seconds", ["", "today", f"at {BEFORE}", "ratio"], rows),
            Table("A server, by number of modules", columns, servers),
        ],
        Plot(
            "A server's memory when it is ready",
            "MB",
            [(name, each["memory"], name.startswith("ours")) for name, each in served.items()],
        ),
        figures,
        [
            "We lose to a bare FastAPI, which starts faster and takes less: it has no metrics,"
            " traces, queue, check of migrations or flags to load. What modules add is their code."
        ],
    )


@contextlib.contextmanager
def before(work: Path) -> Iterator[Path | None]:
    """Yield a repository of the old template, where this clone has its commit."""
    if not succeeds("git", "cat-file", "-e", f"{BEFORE}^{{commit}}", cwd=ROOT):
        yield None
        return
    template = work / "template"
    run("git", "worktree", "add", "--detach", str(template), BEFORE, cwd=ROOT)
    try:
        code = f"import sys; sys.path.insert(0, {str(template / 'src')!r})"
        code += "; from scaffold import cli; cli.main()"
        new = ("new", str(work / "before"), "--defaults", "--from", str(template), "--ref", "HEAD")
        run(sys.executable, "-c", code, *new, cwd=work)
        run(UV, "sync", "--quiet", cwd=work / "before")
        yield work / "before"
    finally:
        run("git", "worktree", "remove", "--force", str(template), cwd=ROOT)


def day(shops: dict[str, Path]) -> dict[str, Measured]:
    """Return the least of each figure, the repositories taking turns."""
    found: dict[str, Measured] = {name: {} for name in shops}

    def note(name: str, what: str, value: float) -> None:
        found[name][what] = min(value, found[name].get(what, value))

    with contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(developing(at, 8700 + number))
            for number, (name, at) in enumerate(shops.items())
        }
        for number in range(ROUNDS):
            for name, at in shops.items():
                for what, command in COMMANDS.items():
                    seconds, megabytes = cost(at, command)
                    note(name, f"CPU of {what}", seconds)
                    if "app" not in command:
                        note(name, f"MB of {what}", megabytes)
                note(name, "seconds of a reload", reload(at, running[name][0], 300 + number))
            progress(f"  round {number + 1} of {ROUNDS}")
    return found


def cost(at: Path, command: tuple[str, ...]) -> tuple[float, float]:
    """Return the CPU seconds of a command, and the most megabytes that it had."""
    program, *arguments = command
    process = subprocess.Popen(
        [at / ".venv/bin" / program, *arguments],
        cwd=at,
        env=environment(),
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise MeasurementError(f"{command} failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


@contextlib.contextmanager
def running(command: tuple[str, ...], at: Path, **more: str) -> Iterator[int]:
    process = subprocess.Popen(
        command,
        cwd=at,
        env=environment(**more),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@contextlib.contextmanager
def developing(at: Path, port: int) -> Iterator[tuple[str, str]]:
    """Run `app dev` while the block lasts; yield its URL and that of its database."""
    command = (str(at / ".venv/bin/app"), "dev", "--port", str(port))
    with running(command, at, METRICS_PORT="0") as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: b'"maxLength":200' in get(f"{url}/openapi.json"))
        yield url, database_of(process)


def database_of(parent: int) -> str:
    """Return the DATABASE_URL that a child of `app dev` was given."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        for each in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            if each.startswith(b"DATABASE_URL="):
                return each.removeprefix(b"DATABASE_URL=").decode()
    raise MeasurementError("app dev has no child that knows a database")


def server(at: Path, database: str) -> Measured:
    """Return the CPU seconds of a server until it answers and until it is ready; its megabytes."""
    found: list[Measured] = []
    for number in range(ROUNDS):
        port = 8750 + number
        command = (str(at / ".venv/bin/app"), "serve", "--port", str(port))
        start = time.perf_counter()
        with running(command, at, DATABASE_URL=database, **PRODUCTION) as process:
            wait_for(partial(get, f"http://127.0.0.1:{port}/healthz"))
            answers = cpu_of(process)
            wait_for(partial(get, f"http://127.0.0.1:{port}/readyz"))
            found.append(
                {
                    "answers": answers,
                    "ready": cpu_of(process),
                    "seconds": time.perf_counter() - start,
                    "memory": memory_of(process),
                }
            )
    return {what: min(each[what] for each in found) for what in found[0]}


def bare(database: str) -> Measured:
    """Return the same of the bare application."""
    program = str(python("stacks", *PACKAGES) / "python")
    command = (program, str(ROOT / "bench/peers/stacks.py"), "fastapi", "8740")
    start = time.perf_counter()
    with running(command, ROOT, DATABASE_URL=database, SECRET="of-nothing") as process:
        wait_for(lambda: get("http://127.0.0.1:8740/openapi.json"))
        taken = cpu_of(process)
        passed = time.perf_counter() - start
        return {
            "answers": taken,
            "ready": taken,
            "seconds": passed,
            "memory": memory_of(process),
        }


def cpu_of(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_of(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def reload(at: Path, url: str, length: int) -> float:
    """Save a change in a module; return the seconds until it is answered with."""
    file = at / ROUTES
    before = file.read_text()
    try:
        start = time.perf_counter()
        file.write_text(before.replace("max_length=200", f"max_length={length}"))
        wait_for(lambda: f'"maxLength":{length}'.encode() in get(f"{url}/openapi.json"))
        return time.perf_counter() - start
    finally:
        file.write_text(before)
        wait_for(lambda: b'"maxLength":200' in get(f"{url}/openapi.json"))
        time.sleep(2)  # What is done beside the answer is not to be in the next measurement.


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


def wait_for(is_done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if is_done():
                return
        time.sleep(0.01)
    raise MeasurementError("waited in vain")
