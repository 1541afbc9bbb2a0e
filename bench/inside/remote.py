"""Runs inside a generated shop: one method, called in this process and in another one.

The bare call sends the same bytes by httpx's client to an ASGI application that does nothing but
answer the same bytes, under the same server. It has no signature, no deadline, and no types.
"""

import base64
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import httpx
import uvloop
from app.development.ports import is_taken
from app.platform.database import create_engine
from app.platform.remote import Codec, Remote, serve_modules
from app.platform.settings import Settings
from app.platform.web import create_api, serve
from app.platform.wiring import Module, ModuleFolder, observe_call, promises_of, wire
from app.platform.wiring.boundary import at_boundary
from fastapi import FastAPI
from report import report

KEYS = f"bench:{base64.b64encode(b'k' * 32).decode()}"
CALLS, ROUNDS, REMOTE_CALLS = 5_000, 15, 200


@dataclass(frozen=True, slots=True)
class Entry:
    id: UUID
    order_id: UUID
    amount: Decimal
    booked_at: datetime
    note: str


BOOKED = datetime(2026, 1, 2, 3, tzinfo=UTC)
ENTRY = Entry(UUID(int=1), UUID(int=2), Decimal("19.90"), BOOKED, "two of them, blue")


class Ledger(Protocol):
    async def book(self, entry: Entry) -> Entry:
        """Return what was booked."""


class Service:
    async def book(self, entry: Entry) -> Entry:
        return entry


def build() -> Ledger:
    return Service()


FOLDERS = [ModuleFolder("ledger", __name__, Path(), Module(build), Ledger, (), "@a/b", {})]
CODEC = Codec("ledger", promises_of(Ledger)[0])
SENT, ANSWERED = CODEC.write_arguments([ENTRY], {}), CODEC.write_result(ENTRY)


async def main() -> None:
    with server("remote:create_served") as ours, server("remote:create_bare") as theirs:
        remote = Remote(settings(remote_modules=f"ledger=http://127.0.0.1:{ours}"), FOLDERS)
        engine = create_engine(settings())
        wired = wire(
            FOLDERS, engine, instrument=observe_call, served=(), elsewhere=remote.client_of
        )
        direct, elsewhere = Service(), wired[Ledger]
        plain = at_boundary(Ledger, direct, "ledger")
        observed = at_boundary(Ledger, direct, "ledger", observe_call)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{theirs}") as client:

            async def bare() -> bytes:
                answer = await client.post("/", content=SENT)
                return answer.content

            assert await elsewhere.book(ENTRY) == ENTRY
            assert await bare() == ANSWERED
            local = await compare(
                CALLS,
                lambda: direct.book(ENTRY),
                lambda: plain.book(ENTRY),
                lambda: observed.book(ENTRY),
            )
            far = await compare(REMOTE_CALLS, lambda: elsewhere.book(ENTRY), bare)
        await remote.close()
        await engine.dispose()
    names = ("function", "boundary", "boundary, with signals", "another process", "bare httpx")
    report(
        calls={
            name: [statistics.median(taken), statistics.quantiles(taken, n=100)[98]]
            for name, taken in zip(names, (*local, *far), strict=True)
        }
    )


async def compare(calls: int, *functions: Callable[[], Awaitable[object]]) -> list[list[float]]:
    """Return the microseconds that each call took, in rounds that alternate; the first warms up."""
    taken: list[list[float]] = [[] for _ in functions]
    for number in range(ROUNDS + 1):
        for function, times in zip(functions, taken, strict=True):
            for _ in range(calls):
                start = time.perf_counter_ns()
                await function()
                if number:
                    times.append((time.perf_counter_ns() - start) / 1000)
    return taken


def settings(**given: Any) -> Settings:
    url = "postgresql://app@127.0.0.1:1/app"
    return Settings(environment="development", database_url=url, remote_keys=KEYS, **given)


def create_served() -> FastAPI:
    """Create an application that serves the module to others."""
    engine = create_engine(settings())
    wired = wire(FOLDERS, engine, instrument=observe_call)
    calls = serve_modules(settings(), wired, FOLDERS)
    return create_api({}, nothing, settings(), engine, calls=calls)


def create_bare() -> Any:
    """Create what a call is compared with."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-length", str(len(ANSWERED)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": ANSWERED})

    return answer


@asynccontextmanager
async def nothing(_api: FastAPI) -> AsyncIterator[None]:
    yield


@contextmanager
def server(application: str) -> Iterator[int]:
    """Yield the port of a server that answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, __file__, "serve", application, str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None and not is_taken(port):
            time.sleep(0.05)
        if process.poll() is not None:
            sys.exit(f"The server `{application}` does not start.")
        yield port
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", application, port]:
            serve(application, "127.0.0.1", int(port), 1, 0, 5)
        case _:
            uvloop.run(main())
