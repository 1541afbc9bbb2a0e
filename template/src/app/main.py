"""The composition root: which parts there are, and how they come together."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, AsyncExitStack, suppress
from typing import TYPE_CHECKING

from fastapi import FastAPI

from app import modules
from app.platform.cache import CacheStore
from app.platform.database import (
    close,
    connect_replica,
    create_engine,
    MigrationError,
    Replica,
    sides_of,
    watched,
)
from app.platform.flags import evaluate_with
from app.platform.monitoring import Signals
from app.platform.settings import load_settings, Settings
from app.platform.timeouts import CLOSE
from app.platform.web import create_api, health_routes, Probe
from app.platform.wiring import discover, ModuleFolder, observe_call, placed, wire, Wired

if TYPE_CHECKING:
    from openfeature.provider import FeatureProvider
    from sqlalchemy.ext.asyncio import AsyncEngine

    from app.platform.remote import Remote


def create_app(
    settings: Settings | None = None,
    *,
    prepare: "Callable[[AsyncEngine, Sequence[ModuleFolder]], Awaitable[None]] | None" = None,
    with_worker: bool = False,
    flags: "FeatureProvider | None" = None,
    signals: Signals | None = None,
) -> FastAPI:
    """Create the web application with every module wired and mounted.

    `prepare` is awaited first; with `with_worker`, it runs jobs as well.
    `flags` stand for those in the files of the modules; `signals` are given while it runs.
    """
    from app.platform.flags import FlagFiles

    settings = settings or load_settings()
    engine = create_engine(settings)
    folders = discover(modules)
    evaluate_with(flags or FlagFiles(folders, settings.flags_file))
    replica = connect_replica(settings)
    cache, remote = CacheStore(settings.cache_url), _remote(settings, folders)
    wired = _wire(settings, folders, engine, cache, remote, replica)
    probe = Probe(engine, wired.folders)
    calls = None
    if settings.remote_keys:
        from app.platform.remote import serve_modules

        calls = serve_modules(settings, wired, folders)

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        try:
            if prepare is not None:
                await prepare(engine, folders)
            async with AsyncExitStack() as beside:
                await beside.enter_async_context(watched(sides_of(settings)))
                if signals is not None:
                    await beside.enter_async_context(
                        signals.running(folders, wired.known, engine, probe, replica)
                    )
                if replica is not None:
                    await beside.enter_async_context(replica.watched())
                if with_worker:
                    from app.platform.jobs import Worker

                    worker = Worker(settings, engine, wired.jobs, wired.known)
                    await beside.enter_async_context(worker.in_background())
                yield
        finally:
            await cache.close()
            if remote is not None:
                await remote.close()
            await close(engine)

    objectives = {folder.name: folder.objectives for folder in folders}
    renames = [folder.renamed for folder in folders if folder.renamed is not None]
    api = create_api(wired.routers, lifespan, settings, engine, objectives, renames, calls)
    api.include_router(health_routes(probe, settings))
    api.state.jobs = wired.known
    return api


async def run_worker(settings: Settings) -> None:
    """Run jobs of every module until this process is asked to stop.

    Raises MigrationError where the database is older than the code.
    """
    from app.platform.flags import FlagFiles
    from app.platform.jobs import Worker
    from app.platform.migrations import pending_migrations

    # Each job has a connection of its own.
    several = settings.model_copy(update={"database_pool_size": settings.worker_concurrency})
    signals = Signals(settings)
    engine = create_engine(several, name="app worker")
    cache = CacheStore(settings.cache_url)
    folders = discover(modules)
    evaluate_with(FlagFiles(folders, settings.flags_file))
    remote = None
    try:
        remote = _remote(settings, folders)
        wired = _wire(settings, folders, engine, cache, remote)
        worker = Worker(settings, engine, wired.jobs, wired.known)
        sides = sides_of(settings)
        async with watched(sides):
            if sides is not None:
                await sides.until_open()
            async with engine.connect() as connection:
                if pending := await pending_migrations(connection, wired.folders):
                    raise MigrationError(
                        f"Migrations are pending: {', '.join(pending)}. Run `app migrate`."
                    )
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, worker.stop)
            probe = Probe(engine, wired.folders)
            async with signals.running(folders, wired.known, engine, probe, worker=worker):
                await worker.run()
    finally:
        with suppress(TimeoutError):  # What does not answer goes with the process.
            async with asyncio.timeout(CLOSE):
                await cache.close()
                if remote is not None:
                    await remote.close()
        await close(engine)


def _remote(settings: Settings, folders: Sequence[ModuleFolder]) -> "Remote | None":
    """Return the modules that other processes serve, if there are any."""
    if not settings.remote_modules.strip():
        return None
    from app.platform.remote import Remote

    return Remote(settings, folders)


def _wire(
    settings: Settings,
    folders: Sequence[ModuleFolder],
    engine: "AsyncEngine",
    cache: CacheStore,
    remote: "Remote | None",
    replica: Replica | None = None,
) -> Wired:
    return wire(
        folders,
        engine,
        replica=replica,
        cache=cache,
        instrument=observe_call,
        served=placed(settings, folders),
        elsewhere=None if remote is None else remote.client_of,
    )


def create_served_app() -> FastAPI:
    """Create what `app serve` serves."""
    settings = load_settings()
    return create_app(settings, signals=Signals(settings))
