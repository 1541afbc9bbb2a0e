"""A repository whose web server and worker reach their Postgres through a network that fails."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from behind_proxy import network_of, through
from generated import Generate, Repository
from running import bearer, in_production, serving
from tcp_proxy import TcpProxy

TROUBLE = Path(__file__).parent / "trouble"


@pytest.fixture(scope="session")
def production(generate: Generate, postgres: str) -> Repository:
    """A repository with the module `trouble`, and a database of its own."""
    shop = generate("faults")
    shutil.copytree(TROUBLE, shop.path / "src/app/modules/trouble")
    return in_production(shop, postgres)


@pytest.fixture
def proxy(production: Repository) -> Iterator[TcpProxy]:
    """The network between the application and its Postgres."""
    with network_of(production) as proxy:
        yield proxy


Start = Callable[..., "Web"]


class Web:
    """A web server that runs: its client, with a token, and what it has logged."""

    def __init__(self, client: httpx.Client, log: Path) -> None:
        self.client, self._log = client, log

    def log(self) -> str:
        return self._log.read_text()


class Running:
    """A worker that runs, and what it has logged."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log = process, log

    def log(self) -> str:
        return self._log.read_text()


@pytest.fixture
def serve(production: Repository, proxy: TcpProxy, tmp_path: Path) -> Iterator[Start]:
    """Start `app serve` behind the proxy, with more settings: `serve(REQUEST_TIMEOUT="3")`."""
    with ExitStack() as stack:

        def start(**settings: str) -> Web:
            application = through(production, proxy, **settings)
            log = tmp_path / "web.log"
            _, url = stack.enter_context(serving(application, log))
            headers = bearer(production)
            client = stack.enter_context(httpx.Client(base_url=url, headers=headers, timeout=60))
            return Web(client, log)

        yield start


@pytest.fixture
def work(
    production: Repository, proxy: TcpProxy, tmp_path: Path
) -> Iterator[Callable[..., Running]]:
    """Start `app worker` behind the proxy, with more settings; killed in the end."""
    with ExitStack() as stack:

        def start(**settings: str) -> Running:
            application = through(production, proxy, **settings)
            log = tmp_path / f"worker{len(list(tmp_path.glob('worker*')))}.log"
            return stack.enter_context(_working(application, log))

        yield start


@contextmanager
def _working(application: Repository, log: Path) -> Iterator[Running]:
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [application.path / ".venv/bin/app", "worker"],
            cwd=application.path,
            env={**application.environment, "PYTHONUNBUFFERED": "1"},
            stdout=printed,
            stderr=printed,
        )
    try:
        yield Running(process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


@pytest.fixture
def query(production: Repository) -> Callable[..., object]:
    """Ask the database past the proxy, as its admin: `query("SELECT …", 1)` returns one value."""

    def ask(statement: str, *arguments: object) -> object:
        async def run() -> object:
            admin = await asyncpg.connect(production.environment["MIGRATION_DATABASE_URL"])
            try:
                return await admin.fetchval(statement, *arguments)
            finally:
                await admin.close()

        return asyncio.run(run())

    return ask


@pytest.fixture
def enqueue(query: Callable[..., object]) -> Iterator[Callable[..., str]]:
    """Enqueue a job of `trouble` past the network: returns what it writes."""

    def enqueue(job: str = "note", seconds: float = 0, words: str = "") -> str:
        words = words or uuid4().hex
        payload = json.dumps({"words": words, "seconds": seconds}).encode()
        query(
            "INSERT INTO queue.pgqueuer (priority, status, entrypoint, payload)"
            " VALUES (0, 'queued', $1, $2)",
            f"trouble.{job}",
            payload,
        )
        return words

    yield enqueue
    query("DELETE FROM queue.pgqueuer")


@pytest.fixture
def times(query: Callable[..., object]) -> Callable[[str], object]:
    """How often something was written."""
    return lambda words: query("SELECT count(*) FROM trouble.notes WHERE words = $1", words)
