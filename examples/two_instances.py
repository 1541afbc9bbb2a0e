"""The shop on one machine as it would run on several: two instances behind HAProxy, two workers, a
primary Postgres and a streaming replica.

    python examples/two_instances.py FOLDER

FOLDER is a shop that `make demo` or `scaffold new --example` left there; one that is missing is
generated. Needs HAProxy (Debian: apt-get install haproxy). SIGHUP restarts the instances one after
the other; Ctrl-C stops everything.
"""

import asyncio
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import asyncpg

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))

from replica import Server, free_port, primary_and_replica  # noqa: E402

UV = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
LOGIN = "shop"
SECONDS_TO_START = 120
SECONDS_TO_STOP = 120


class Program:
    """A process that runs until it is told to stop; what it prints goes to a file."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log / f"{name}.log"
        self._command, self._environment = command, environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask it to stop with SIGTERM, and wait until it has."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(SECONDS_TO_STOP)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None


class Web(Program):
    """A process that answers requests."""

    url: str
    awaited = "/readyz"

    def wait(self) -> None:
        """Return once it is ready; exit with its log if it never is."""
        deadline = time.monotonic() + SECONDS_TO_START
        while not _answers(self.url + self.awaited):
            if not self.is_running() or time.monotonic() > deadline:
                sys.exit(f"{self.name} did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)

    def restart(self) -> None:
        self.stop()
        self.start()
        self.wait()


class Balancer(Web):
    """HAProxy, which is asked what it knows of the instances."""

    awaited = "/openapi.json"  # It passes on no question about health.
    statistics: str

    def wait_for(self, server: str) -> None:
        """Return once it passes requests to a server again: it looks once a second."""
        deadline = time.monotonic() + SECONDS_TO_START
        while not re.search(rf"^app,{server},(.*?,)?UP\b", self._told(), re.MULTILINE):
            if time.monotonic() > deadline:
                sys.exit(
                    f"{self.name} sends nothing to instance {server!r} that was restarted "
                    f"{SECONDS_TO_START} s ago; the logs in {self.log.parent} say why"
                )
            time.sleep(0.05)

    def _told(self) -> str:
        with urlopen(f"{self.statistics}/;csv", timeout=60) as answer:
            return str(answer.read().decode())


@dataclass(frozen=True)
class Site:
    """All that runs."""

    balancer: Balancer
    instances: Sequence[Web]
    workers: Sequence[Program]
    primary: Server
    replica: Server

    @property
    def url(self) -> str:
        return self.balancer.url

    def restart_instances(self) -> None:
        """Restart one after the other, each when the one before is ready again."""
        for instance, server in zip(self.instances, ("one", "two"), strict=True):
            instance.restart()
            self.balancer.wait_for(server)


@contextmanager
def site(shop: Path, folder: Path, **settings: str) -> Iterator[Site]:
    """Run a shop while the block lasts; the folder takes data and logs, the app the settings."""
    if shutil.which("haproxy") is None:
        sys.exit("HAProxy is missing: apt-get install haproxy")
    app = str(shop / ".venv/bin/app")
    with ExitStack() as running:
        counting = {"shared_preload_libraries": "pg_stat_statements"}  # For `app slow`.
        primary, replica = running.enter_context(primary_and_replica(folder, **counting))
        environment = {
            **os.environ,
            "DATABASE_URL": primary.url("shop", LOGIN),
            "DATABASE_REPLICA_URL": replica.url("shop", LOGIN),
            "ENVIRONMENT": "development",  # Believes `app token`; production has an issuer.
            **settings,
        }
        asyncio.run(prepare(primary))
        migrating = {**environment, "MIGRATION_DATABASE_URL": primary.url("shop")}
        subprocess.run([app, "migrate"], env=migrating, check=True, stdout=subprocess.DEVNULL)

        def start(program: Program) -> None:
            program.start()
            running.callback(program.stop)

        workers = [Program(f"worker-{n}", [app, "worker"], environment, folder) for n in (1, 2)]
        instances = []
        for number in (1, 2):
            port = free_port()
            command = [app, "serve", "--port", str(port)]
            instance = Web(f"instance-{number}", command, environment, folder)
            instance.url = f"http://127.0.0.1:{port}"
            instances.append(instance)
        port, statistics = free_port(), f"127.0.0.1:{free_port()}"
        (folder / "statistics.cfg").write_text(
            f'frontend statistics\n    bind "{statistics}"\n    stats enable\n    stats uri /\n'
        )
        addresses = [instance.url.removeprefix("http://") for instance in instances]
        places = {"PORT": str(port), "ONE": addresses[0], "TWO": addresses[1]}
        command = ["haproxy", "-db", "-f", str(shop / "docs/haproxy.cfg")]
        command += ["-f", str(folder / "statistics.cfg")]
        balancer = Balancer("haproxy", command, {**environment, **places}, folder)
        balancer.url, balancer.statistics = f"http://127.0.0.1:{port}", f"http://{statistics}"

        for program in (*instances, *workers):
            start(program)
        for instance in instances:
            instance.wait()
        start(balancer)
        balancer.wait()
        yield Site(balancer, instances, workers, primary, replica)


async def prepare(primary: Server) -> None:
    """Make the login and the database, as the generated README says."""
    admin = await asyncpg.connect(primary.url())
    await admin.execute(f"CREATE ROLE {LOGIN} LOGIN NOINHERIT PASSWORD '{primary.password}'")
    await admin.execute("CREATE DATABASE shop")
    await admin.close()


def main() -> None:
    """Run the site until Ctrl-C, or say in one sentence why that cannot be."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    shop = Path(sys.argv[1]).resolve()
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    if not shop.exists():
        shop.parent.mkdir(parents=True, exist_ok=True)
        generate = [UV, "run", "--quiet", "scaffold", "new", str(shop), "--example", "--defaults"]
        subprocess.run(generate, cwd=ROOT, env=environment, check=True)
    subprocess.run([UV, "sync", "--quiet"], cwd=shop, env=environment, check=True)

    said: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: said.put(number))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # Postgres runs as somebody else where this is root.
        with site(shop, Path(folder)) as running:
            say(f"Ask {running.url}/openapi.json; logs are in {folder}.")
            say(f"{shop}/.venv/bin/app token makes tokens.")
            say(f"kill -HUP {os.getpid()} restarts one instance after the other.")
            say("Ctrl-C stops everything.")
            while said.get() == signal.SIGHUP:
                running.restart_instances()
                say("Both instances are new.")


def say(line: str) -> None:
    print(line, flush=True)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (HTTPError, URLError, OSError):
        return False


if __name__ == "__main__":
    main()
