"""What starting costs: the command, importing the application, a server, a reload of `app dev`.

    python bench/startup.py [COMMIT]

Generates a repository, beside it one of an older template where a commit is named, and measures
them in turn. Ratios of one run count; the absolute numbers are those of the machine. Needs Linux.
"""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from boundary import ROOT, UV, run

ROUNDS = 5
LIBRARIES = "import fastapi, sqlalchemy.ext.asyncio, asyncpg, uvicorn"
COMMANDS = {
    "four libraries": ("python", "-c", LIBRARIES),
    "import app.main": ("python", "-c", "import app.main"),
    "app --help": ("app", "--help"),
    "app modules": ("app", "modules"),
}
MODULE = "src/app/modules/catalog/routes.py"
TICK = os.sysconf("SC_CLK_TCK")

Measured = dict[str, list[float]]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        shops = {"new": generate(ROOT, Path(folder, "new"))}
        if len(sys.argv) > 1:
            old = Path(folder, "template")
            run("git", "worktree", "add", "--detach", str(old), sys.argv[1], cwd=ROOT)
            try:
                shops = {"old": generate(old, Path(folder, "old")), **shops}
                measure(shops)
            finally:
                run("git", "worktree", "remove", "--force", str(old), cwd=ROOT)
        else:
            measure(shops)


def generate(template: Path, shop: Path) -> Path:
    path = f"import sys; sys.path.insert(0, {str(template / 'src')!r})"
    code = f"{path}; from scaffold.cli import main; main()"
    arguments = ("new", str(shop), "--defaults", "--from", str(template), "--ref", "HEAD")
    run(sys.executable, "-c", code, *arguments, cwd=shop.parent)
    run(UV, "sync", "--quiet", cwd=shop)
    return shop


def measure(shops: dict[str, Path]) -> None:
    found: dict[str, Measured] = {name: {} for name in shops}

    def note(shop: str, what: str, value: float) -> None:
        found[shop].setdefault(what, []).append(value)

    with contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(developing(shop, 8700 + number))
            for number, (name, shop) in enumerate(shops.items())
        }
        for number in range(ROUNDS):
            for name, shop in shops.items():
                for what, command in COMMANDS.items():
                    seconds, megabytes = cost(shop, command)
                    note(name, f"CPU of {what}", seconds)
                    if "app" not in command:
                        note(name, f"MB after {what}", megabytes)
                url, database = running[name]
                served, ready = cost_to_serve(shop, database, 8750 + number)
                note(name, "CPU until a server answers", served)
                note(name, "CPU until it is ready", ready)
                note(name, "seconds of a reload", reload(shop, url, 300 + number))
    for what in found["new"]:
        numbers = [min(each[what]) for each in found.values()]
        shown = "  ".join(f"{number:8.2f}" for number in numbers)
        ratio = f"  {numbers[-1] / numbers[0]:5.2f} of it" if len(numbers) > 1 else ""
        middle = statistics.median(found["new"][what])
        print(f"{what:32} {shown}{ratio}   (median {middle:.2f})")
    for kind in ("CPU of", "MB after"):
        new = found["new"]
        ratio = min(new[f"{kind} import app.main"]) / min(new[f"{kind} four libraries"])
        print(f"{kind} import app.main, to the four libraries: {ratio:.2f}")


def cost(shop: Path, command: tuple[str, ...]) -> tuple[float, float]:
    """Return the CPU seconds of a command, and the most megabytes that it had."""
    program, *arguments = command
    process = subprocess.Popen(
        [str(shop / ".venv/bin" / program), *arguments],
        cwd=shop,
        env=environment(),
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command} failed in {shop}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


@contextlib.contextmanager
def developing(shop: Path, port: int) -> Iterator[tuple[str, str]]:
    """Run `app dev` while the block lasts; yield its URL and that of its database."""
    command = [str(shop / ".venv/bin/app"), "dev", "--port", str(port)]
    process = subprocess.Popen(
        command,
        cwd=shop,
        env=environment(METRICS_PORT="0"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: b'"maxLength":200' in get(f"{url}/openapi.json"))
        yield url, database_of(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def database_of(parent: int) -> str:
    """Return the DATABASE_URL that a child of `app dev` was given."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for child in children:
        for each in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            if each.startswith(b"DATABASE_URL="):
                return each.removeprefix(b"DATABASE_URL=").decode()
    sys.exit("app dev has no child that knows a database")


def cost_to_serve(shop: Path, database: str, port: int) -> tuple[float, float]:
    """Return the CPU seconds of a server until it answers, and until it says that it is ready."""
    process = subprocess.Popen(
        [str(shop / ".venv/bin/app"), "serve", "--port", str(port)],
        cwd=shop,
        env=environment(
            DATABASE_URL=database,
            ENVIRONMENT="production",
            METRICS_PORT="0",
            OIDC_ISSUER="https://issuer.invalid",
            OIDC_AUDIENCE="shop",
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: get(f"http://127.0.0.1:{port}/healthz"))
        served = cpu_of(process.pid)
        wait_for(lambda: get(f"http://127.0.0.1:{port}/readyz"))
        return served, cpu_of(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def reload(shop: Path, url: str, length: int) -> float:
    """Save a change in a module; return the seconds until it is answered with."""
    file = shop / MODULE
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
    sys.exit("waited in vain")


def environment(**more: str) -> dict[str, str]:
    ours = ("DATABASE_URL", "ENVIRONMENT", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if name not in ours} | more


if __name__ == "__main__":
    main()
