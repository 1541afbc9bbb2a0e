"""A module in one server, and its client in the test: over real HTTP, through a network that fails."""

import base64
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from app.platform.database.engine import create_engine
from app.platform.remote import serve_modules
from app.platform.remote.client import Remote
from app.platform.settings.settings import Settings
from app.platform.web.http import create_api
from app.platform.wiring.modules import Module, ModuleFolder
from app.platform.wiring.observing import observe_call
from app.platform.wiring.wiring import wire, Wired

from . import ledger
from .ledger import Ledger, Service
from .network import Network

KEYS = f"new:{base64.b64encode(b'n' * 32).decode()} old:{base64.b64encode(b'o' * 32).decode()}"


def settings_with(**given: object) -> Settings:
    some: dict[str, object] = {
        "environment": "development",
        "database_url": "postgresql://app:long-enough-secret@127.0.0.1:1/app",
        "remote_keys": KEYS,
    }
    return Settings(**{**some, **given})  # type: ignore[arg-type]


def folder_of(build: Callable[..., Any], interface: type = Ledger) -> ModuleFolder:
    """A module `ledger`, as if it was found in a folder."""
    return ModuleFolder("ledger", ledger.__name__, Path(), Module(build), interface, (), "@a/b", {})


def served(service: object, interface: type = Ledger, **given: object) -> FastAPI:
    """An application that serves a module to others."""

    def build() -> Any:
        return service

    settings, folders = settings_with(**given), [folder_of(build, interface)]
    engine = create_engine(settings)
    wired = wire(folders, engine, instrument=observe_call)
    calls = serve_modules(settings, wired, folders)
    return create_api({}, _nothing, settings, engine, calls=calls)


def wired_to(address: str, interface: type = Ledger, **given: object) -> tuple[Wired, Remote]:
    """What a process has in which that module is elsewhere."""
    settings = settings_with(remote_modules=f"ledger={address}", **given)

    def build() -> Any:
        raise AssertionError("it is elsewhere")

    folders = [folder_of(build, interface)]
    remote = Remote(settings, folders)
    engine = create_engine(settings)
    wired = wire(folders, engine, instrument=observe_call, served=(), elsewhere=remote.client_of)
    return wired, remote


@asynccontextmanager
async def _nothing(_api: FastAPI) -> AsyncIterator[None]:
    yield


@contextmanager
def running(api: Any, **options: Any) -> Iterator[int]:
    """Serve an application in a thread of its own, and yield its port."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        config = uvicorn.Config(api, log_config=None, access_log=False, lifespan="off", **options)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([held],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield held.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(60)


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls have time, unless a test gives them less."""
    monkeypatch.setattr("app.platform.remote.client.REMOTE", 60.0)
    monkeypatch.setattr("app.platform.remote.exchange.REMOTE_CONNECT", 60.0)
    monkeypatch.setattr("app.platform.remote.exchange.REMOTE_KEPT", 60.0)


@pytest.fixture(scope="module")
def service() -> Service:
    return Service()


@pytest.fixture(scope="module")
def port(service: Service) -> Iterator[int]:
    """Where `service` is served to others."""
    with running(served(service)) as port:
        yield port


@pytest.fixture
def network(port: int) -> Iterator[Network]:
    """What lies between, and may fail."""
    with Network(port) as network:
        yield network


Connect = Callable[..., Ledger]


@pytest.fixture
async def connect(network: Network, service: Service) -> AsyncIterator[Connect]:
    """Return a client of the ledger, with these settings: `connect(remote_timeouts="ledger=1")`."""
    service.calls = service.ended = 0
    service.may_end.set()
    remotes: list[Remote] = []

    def connect(address: str | None = None, interface: type = Ledger, **given: object) -> Ledger:
        wired, remote = wired_to(address or f"http://127.0.0.1:{network.port}", interface, **given)
        remotes.append(remote)
        return wired[interface]

    yield connect
    for each in remotes:
        await each.close()
