"""Runs inside the generated example: its web server with more and more signals.

All answer `GET /identity/customers/{id}` through everything that a request passes. "Off" counts,
logs and traces nothing, and nobody could switch it off like that: it shows what the rest costs.
Lines go to a file, spans to a collector that throws them away, in a process of its own.
"""

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from operator import truediv
from pathlib import Path
from typing import Any

import app.main
from app.development.database import development_server
from app.development.issuer import DevelopmentIssuer
from app.development.ports import is_taken
from app.platform.monitoring import Signals
from app.platform.settings import load_settings
from app.platform.web import serve
from app.platform.web.requests import Requests
from app.platform.wiring.boundary import BoundaryCall, Method
from edge import CALLER, CUSTOMER, cpu_seconds, database, load
from fastapi import FastAPI
from report import progress, report

SECONDS, ROUNDS = 0.7, 12
KINDS: dict[str, tuple[str, dict[str, str]]] = {
    "off": ("signals:create_off", {}),
    "metrics": ("signals:create", {"LOG_LEVEL": "error"}),
    "metrics, log": ("signals:create", {}),
    "the same, 5 % traced": ("signals:create", {"TRACES_SAMPLE_RATIO": "0.05"}),
    "the same, all traced": ("signals:create", {"TRACES_SAMPLE_RATIO": "1"}),
}


async def main(names: list[str]) -> None:
    async with AsyncExitStack() as all:
        url = await all.enter_async_context(database(all.enter_context(development_server())))
        environment = {**os.environ, "ENVIRONMENT": "development", "RATE_LIMIT": "1000000"}
        environment["DATABASE_URL"] = url
        folder = Path(all.enter_context(tempfile.TemporaryDirectory()))
        collector, _ = all.enter_context(process("collect", environment, folder / "collector"))
        servers = {}
        for name in names or KINDS:
            application, more = KINDS[name]
            if "TRACES_SAMPLE_RATIO" in more:
                more = {**more, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector}"}
            given = {**environment, **more}
            servers[name] = all.enter_context(process(application, given, folder / name))
        await compare(servers)


async def compare(servers: dict[str, tuple[int, int]]) -> None:
    """Load each server in turn, another one first in each round, and say the medians."""
    rates: dict[str, list[float]] = {name: [] for name in servers}
    costs: dict[str, list[float]] = {name: [] for name in servers}
    token = DevelopmentIssuer().token(CALLER)
    for number in range(ROUNDS + 1):
        first = number % len(servers)
        for name in (*servers, *servers)[first : first + len(servers)]:
            port, pid = servers[name]
            before = cpu_seconds(pid)
            requests = await load(f"http://127.0.0.1:{port}/identity/customers/{CUSTOMER}", token)
            if number:  # The first round warms up.
                rates[name].append(requests / SECONDS)
                costs[name].append((cpu_seconds(pid) - before) / requests * 1_000_000)
        progress(f"round {number} of {ROUNDS}")
    off = next(iter(servers))
    # Of each round, since what else the machine does changes from one to the next.
    report(
        rates={name: statistics.median(found) for name, found in rates.items()},
        costs={name: statistics.median(found) for name, found in costs.items()},
        faster={
            name: statistics.median(map(truediv, found, rates[off]))
            for name, found in rates.items()
        },
        cheaper={
            name: statistics.median(map(truediv, costs[off], found))
            for name, found in costs.items()
        },
    )


def create() -> FastAPI:
    """Create what `app serve` serves, with its lines as JSON."""
    settings = load_settings()
    production = settings.model_copy(update={"environment": "production"})
    return app.main.create_app(settings, signals=Signals(production))


def create_off() -> FastAPI:
    """Create the same without any signals."""

    def leave(_call: BoundaryCall, method: Method) -> Method:
        return method

    def say_nothing(*_given: Any) -> None:
        """Tell nobody."""

    app.main.observe_call = leave
    Requests._tell = say_nothing  # type: ignore[method-assign]
    return app.main.create_app()


async def collect(port: int) -> None:
    """Be a collector that throws away what it is sent."""

    async def throw_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = dict(line.lower().split(b": ") for line in head.split(b"\r\n")[1:-2])
                await reader.readexactly(int(fields[b"content-length"]))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(throw_away, "127.0.0.1", port)
    await server.serve_forever()


@contextmanager
def process(name: str, environment: Mapping[str, str], log: Path) -> Iterator[tuple[int, int]]:
    """Yield the port and the id of a process that answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, __file__, name, str(port)]
    with log.open("wb") as printed:
        started = subprocess.Popen(command, env=environment, stdout=printed, stderr=printed)
    try:
        for _ in range(200):
            if started.poll() is None and is_taken(port):
                break
            time.sleep(0.05)
        else:
            sys.exit(f"`{name}` does not answer:\n{log.read_text()}")
        yield port, started.pid
    finally:
        started.terminate()
        started.wait()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["collect", port]:
            asyncio.run(collect(int(port)))
        case [application, port] if ":" in application:
            serve(application, "127.0.0.1", int(port), 1, 0, 5)
        case names:
            asyncio.run(main(names))
