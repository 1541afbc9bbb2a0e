"""Runs inside the generated example: its web server beside bare ones and other stacks.

    python edge.py PYTHON

PYTHON is of an environment that has the other stacks: `bench/peers/stacks.py`. All answer `GET
…/customers/{id}`, with the same SELECT in a transaction, under the same uvicorn, in one process
each, and are sent a token. All ask by a dependency who calls, as the rows are somebody's; the bare
ones are told a constant. Those have neither module nor role, limits or headers: just FastAPI and a
pool of asyncpg's. That pool resets a connection when it is given back, which is one more round trip
to Postgres; a second bare server goes without.
"""

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from operator import truediv
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import jwt
from app import modules
from app.development.database import create_login, development_server, with_database
from app.development.issuer import DevelopmentIssuer
from app.development.ports import is_taken
from app.modules.identity import Customer
from app.platform.migrations import migrate
from app.platform.web import serve
from app.platform.wiring import discover
from fastapi import Depends, FastAPI, HTTPException, Request
from report import progress, report

LOGIN, NAME = "bench_edge", f"bench_edge_{os.getpid()}"
SECONDS, ROUNDS = 0.7, 15
LOAD = str(Path(__file__).with_name("load.py"))
STACKS = str(Path(__file__).parents[1] / "peers/stacks.py")
SECRET = "of-this-measurement-and-of-nothing-else"
CALLER = "bench"
CUSTOMER = UUID("00000000-0000-7000-8000-000000000001")
SELECT = (
    "SELECT id, email, name, closed_at IS NOT NULL FROM identity.customers"
    " WHERE id = $1 AND owner = $2"
)
APPLICATIONS = {
    "bare": "edge:create",
    "bare, no reset": "edge:create_without_reset",
    "ours": "app.main:create_app",
    "ours, no signals": "signals:create_off",
}
PEERS = ("starlette", "fastapi", "sqlmodel", "litestar")


async def main(python: str) -> None:
    with development_server() as admin_url:
        async with database(admin_url) as url, AsyncExitStack() as stack:
            environment = {**os.environ, "ENVIRONMENT": "development", "RATE_LIMIT": "1000000"}
            environment |= {"DATABASE_URL": url, "SECRET": SECRET}
            ours, theirs = DevelopmentIssuer().token(CALLER), token_by_secret()
            servers = {}
            for name in APPLICATIONS:
                command = (sys.executable, __file__, "serve", APPLICATIONS[name])
                path = "/identity/customers" if name.startswith("ours") else "/customers"
                started = stack.enter_context(server(command, environment))
                servers[name] = (*started, path, ours)
            for name in PEERS:
                started = stack.enter_context(server((python, STACKS, name), environment))
                servers[name] = (*started, "/customers", theirs)
            await compare(servers)


def token_by_secret() -> str:
    now = int(time.time())
    claims = {"aud": "app", "sub": CALLER, "iat": now, "exp": now + 86_400}
    return jwt.encode(claims, SECRET, "HS256")


async def compare(servers: dict[str, tuple[int, int, str, str]]) -> None:
    """Load each server in turn; say its median requests per second, and what one costs."""
    rates: dict[str, list[float]] = {name: [] for name in servers}
    costs: dict[str, list[float]] = {name: [] for name in servers}
    memory = {}
    for number in range(ROUNDS + 1):
        first = number % len(servers)
        for name in (*servers, *servers)[first : first + len(servers)]:
            port, process, path, token = servers[name]
            before = cpu_seconds(process)
            requests = await load(f"http://127.0.0.1:{port}{path}/{CUSTOMER}", token)
            if number:  # The first round warms up.
                rates[name].append(requests / SECONDS)
                costs[name].append((cpu_seconds(process) - before) / requests * 1_000_000)
            memory[name] = resident_megabytes(process)
        progress(f"round {number} of {ROUNDS}")
    # Of each round, since what else the machine does changes from one to the next.
    ratios = {
        name: statistics.median(map(truediv, rates["ours"], found)) for name, found in rates.items()
    }
    report(
        rates={name: statistics.median(found) for name, found in rates.items()},
        costs={name: statistics.median(found) for name, found in costs.items()},
        ratios=ratios,
        memory=memory,
    )


def resident_megabytes(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def load(url: str, token: str) -> int:
    """Return how many requests were answered, to a process of its own."""
    command = (sys.executable, LOAD, url, str(SECONDS), token)
    loaded = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    answered, _ = await loaded.communicate()
    if loaded.returncode:
        sys.exit(f"{url} answered something else than was expected:\n{answered.decode()}")
    return int(answered)


def cpu_seconds(process: int) -> float:
    """Return how long a process has computed."""
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def create() -> FastAPI:
    """Create what the shop is compared with."""
    return create_bare()


def create_without_reset() -> FastAPI:
    async def leave_as_it_is(_connection: object) -> None:
        """Reset nothing."""

    return create_bare(reset=leave_as_it_is)


def create_bare(**options: Any) -> FastAPI:
    """Create an application with one route, on a pool with these options."""

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        nonlocal pool
        async with asyncpg.create_pool(os.environ["DATABASE_URL"], **options) as pool:
            yield

    pool: asyncpg.Pool[asyncpg.Record]
    api = FastAPI(lifespan=lifespan)

    async def find_caller(_request: Request) -> str:
        return CALLER

    @api.get("/customers/{id}")
    async def get_customer(id: UUID, caller: Annotated[str, Depends(find_caller)]) -> Customer:
        async with pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(SELECT, id, caller)
        if row is None:
            raise HTTPException(404)
        return Customer(*row)

    return api


@contextmanager
def server(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """Yield the port and the process of a server that answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([*command, str(port)], env=environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if process.poll() is None and is_taken(port):
                break
            time.sleep(0.05)
        else:
            sys.exit(f"The server {command[2:]} does not answer.")
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def database(admin_url: str) -> AsyncIterator[str]:
    """Yield the URL of a database with one customer, which the login may read without a role."""
    login_url = await create_login(admin_url, LOGIN)
    admin = await asyncpg.connect(admin_url)
    await admin.execute(f"CREATE DATABASE {NAME}")
    url = with_database(admin_url, NAME)
    await migrate(url, LOGIN, discover(modules))
    owner = await asyncpg.connect(url)
    await owner.execute(
        f"SET ROLE {LOGIN}__identity__owner; GRANT USAGE ON SCHEMA identity TO {LOGIN};"
        f"GRANT SELECT ON identity.customers TO {LOGIN};"
        f"INSERT INTO identity.customers (id, owner, email, name)"
        f" VALUES ('{CUSTOMER}', '{CALLER}', 'ada@example.com', 'Ada')"
    )
    await owner.close()
    try:
        yield with_database(login_url, NAME)
    finally:
        await admin.execute(f"DROP DATABASE {NAME}")
        await admin.close()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", application, port]:
            serve(application, "127.0.0.1", int(port), 1, 0, 5)
        case [python]:
            asyncio.run(main(python))
