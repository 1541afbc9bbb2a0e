"""Applications that run, and callers of theirs."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import asyncpg
import httpx
from generated import UV, Repository
from replica import free_port


@contextmanager
def running(
    shop: Repository, log: Path = Path(os.devnull), *options: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`app dev` on a free port: its process and its address. What it prints goes to `log`."""
    port = free_port()
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [shop.path / ".venv/bin/app", "dev", "--port", str(port), *options],
            cwd=shop.path,
            env=shop.environment,
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
    try:
        eventually(lambda: call(f"http://127.0.0.1:{port}/readyz")[0] == 200, 90)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=60)


def bearer(shop: Repository, *scopes: str) -> dict[str, str]:
    """Headers with a token of the development issuer."""
    options = [part for scope in scopes for part in ("--scope", scope)]
    token = shop.run(str(shop.path / ".venv/bin/app"), "token", *options).stdout.strip()
    return {"Authorization": f"Bearer {token}"}


def call(url: str, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
    data = json.dumps(body).encode() if body else None
    try:
        request = Request(url, data, {"Content-Type": "application/json", **(headers or {})})
        with urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


def in_production(shop: Repository, postgres: str) -> Repository:
    """Give a repository a database, a login and settings of its own, as its README describes them."""
    name = f"production_{uuid4().hex[:8]}"
    password = uuid4().hex

    async def prepare() -> None:
        admin = await asyncpg.connect(postgres)
        await admin.execute(f"CREATE ROLE {name} LOGIN NOINHERIT PASSWORD '{password}'")
        await admin.execute(f"CREATE DATABASE {name}")
        await admin.close()

    asyncio.run(prepare())
    host = postgres.rpartition("@")[2].partition("/")[0]
    settings = {
        "DATABASE_URL": f"postgresql://{name}:{password}@{host}/{name}",
        "MIGRATION_DATABASE_URL": f"{postgres.rpartition('/')[0]}/{name}",
        "SHUTDOWN_DELAY": "1",
        "ENVIRONMENT": "development",  # Where `app token` makes the tokens.
    }
    shop.run(UV, "sync", "--quiet")
    production = Repository(shop.path, {**shop.environment, **settings})
    production.run(str(shop.path / ".venv/bin/app"), "migrate")
    return production


@contextmanager
def serving(
    production: Repository, log: Path, processes: int = 1
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    command = [production.path / ".venv/bin/app", "serve", "--port", str(port)]
    command += ["--processes", str(processes)]
    with log.open("wb") as printed:
        process = subprocess.Popen(
            command, cwd=production.path, env=production.environment, stdout=printed, stderr=printed
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while not is_ready(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield process, url
    finally:
        process.terminate()
        process.wait(timeout=60)


@contextmanager
def working(release: Repository, log: Path) -> Iterator[None]:
    """`app worker`, as long as the block lasts; it must end well."""
    environment = {**release.environment, "METRICS_PORT": "0"}
    app = release.path / ".venv/bin/app"
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [app, "worker"], cwd=release.path, env=environment, stdout=printed, stderr=printed
        )
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(60) == 0


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False
