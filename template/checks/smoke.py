"""`python -m checks.smoke docker shop:1.4.2` runs an image as production does, and says how it does.

Read-only, without capabilities and as nobody: first `migrate`, then web and worker, on a database of
its own, in the Postgres of DATABASE_URL or in one that is started for it.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self
from urllib.request import urlopen
from uuid import uuid4

import asyncpg

from app.development.database import create_login, development_server, with_database

_HARDENED = (
    *("--read-only", "--tmpfs=/tmp:rw,noexec,nosuid,size=64m", "--cap-drop=ALL"),
    *("--security-opt=no-new-privileges", "--network=host", "--no-healthcheck"),
)
_PATIENCE = 60.0
"""Seconds until something that does not start counts as broken."""


class Broken(Exception):
    """The image does not do what it should. The message says what."""


class Container:
    """A container that runs until it ends, or at the latest until the block does."""

    def __init__(
        self, engine: str, image: str, arguments: Sequence[str], settings: Mapping[str, str]
    ) -> None:
        named = [
            f"--env={name}" for name in settings
        ]  # Values have no place in a list of processes.
        self.name = arguments[0]
        self._engine, self._container = engine, f"smoke-{uuid4().hex[:8]}"
        self._begun = time.monotonic()
        self._process = subprocess.Popen(
            [
                *(engine, "run", "--rm", f"--name={self._container}", *_HARDENED),
                *(*named, image, *arguments),
            ],
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # To kill the client would leave the container to itself.
        remove = [self._engine, "rm", "--force", self._container]
        subprocess.run(remove, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        with self._process:
            self._process.kill()

    def answer(self, url: str) -> str:
        """Return what it answers, once it does with 200."""
        while True:
            try:
                with urlopen(url, timeout=5) as response:
                    return str(response.read().decode())
            except OSError as error:
                if self._process.poll() is not None or self.seconds > _PATIENCE:
                    raise Broken(f"{self.name} is not ready: {error}\n{self._end()}") from None
            time.sleep(0.02)

    @property
    def seconds(self) -> float:
        """How long it runs."""
        return time.monotonic() - self._begun

    def finish(self, *, stop: bool = True) -> str:
        """Return what it printed once it has come to its end, which must be a good one."""
        printed = self._end(stop=stop)
        if self._process.returncode:
            raise Broken(f"{self.name} exited with {self._process.returncode}:\n{printed}")
        return printed

    def _end(self, *, stop: bool = True) -> str:
        """Return what it printed; where it runs, it is asked to stop, or waited for."""
        if stop:
            self._process.terminate()
        try:
            return self._process.communicate(timeout=_PATIENCE)[0]
        except subprocess.TimeoutExpired:
            why = "does not stop when it is asked to" if stop else "does not come to its end"
            raise Broken(f"{self.name} {why}, within {_PATIENCE:.0f} s.") from None


def main(engine: str, image: str) -> None:
    """Run it; exits with one sentence where something is wrong."""
    if os.path.basename(engine) not in ("docker", "podman"):
        sys.exit("Nothing here runs images without rights: install Docker or Podman.")
    try:
        about = _inspect(engine, image)
        with _database() as settings:
            _run(engine, image, settings, about["Config"]["Labels"])
    except Broken as error:
        sys.exit(f"{image}: {error}")
    print(f"{image}: {about['Size'] / 1e6:.0f} MB")


def _run(engine: str, image: str, settings: Mapping[str, str], labels: Mapping[str, str]) -> None:
    with Container(engine, image, ["migrate"], settings) as migrate:
        print(migrate.finish(stop=False), end="")
    port, metrics = _free_port(), str(_free_port())
    # Who only serves and works knows nothing of the admin.
    lesser = {name: url for name, url in settings.items() if name != "MIGRATION_DATABASE_URL"}
    serve = ["serve", "--host=127.0.0.1", f"--port={port}"]
    with Container(engine, image, serve, lesser) as web:
        web.answer(f"http://127.0.0.1:{port}/readyz")
        print(f"serve: ready after {web.seconds:.1f} s")
        health = json.loads(web.answer(f"http://127.0.0.1:{port}/healthz"))
        told = [health["version"], health["commit"] or ""]
        if told != [labels[f"org.opencontainers.image.{it}"] for it in ("version", "revision")]:
            raise Broken(f"/healthz tells of another release than the labels: {health}")
        print(f"serve: version {health['version']}, commit {health['commit']}")
        with Container(engine, image, ["worker"], {**lesser, "METRICS_PORT": metrics}) as worker:
            worker.answer(f"http://127.0.0.1:{metrics}/metrics")
            print(f"worker: tells of itself after {worker.seconds:.1f} s")
            for each in (web, worker):
                each.finish()
            print("serve and worker: stopped when asked to")


def _inspect(engine: str, image: str) -> dict[str, Any]:
    done = subprocess.run([engine, "image", "inspect", image], capture_output=True, text=True)
    if done.returncode:
        raise Broken("there is no such image. Run `make image` first.")
    about: dict[str, Any] = json.loads(done.stdout)[0]
    return about


@contextmanager
def _database() -> Iterator[dict[str, str]]:
    """Yield the settings of a deployment with a new database, which is dropped in the end."""
    name = f"smoke_{uuid4().hex[:8]}"
    with development_server() as admin_url:
        login_url = asyncio.run(create_login(admin_url, "smoke"))
        asyncio.run(_execute(admin_url, f"CREATE DATABASE {name}"))
        try:
            yield {
                "DATABASE_URL": with_database(login_url, name),
                "MIGRATION_DATABASE_URL": with_database(admin_url, name),
                "OIDC_ISSUER": "https://id.example.com",
                "OIDC_AUDIENCE": "smoke",
                "SHUTDOWN_DELAY": "0",
            }
        finally:
            asyncio.run(_execute(admin_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main(*sys.argv[1:3])
