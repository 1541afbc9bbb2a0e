"""What `app dev` serves: the application behind its console, or why there is none.

It imports what may be broken where that is heard of.
"""

import asyncio
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, AsyncExitStack
from typing import Any, TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from app.development.failure import explained, Failure

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from app.platform.wiring import ModuleFolder

logger = logging.getLogger("app.development")

_PAUSE = 0.5
"""Seconds between two looks whether what keeps it from starting is gone."""


class DevelopmentApplication:
    """The application and its console, or an answer 503 that says why it does not start.

    What is mended in the code comes with the next reload; what is mended elsewhere, in the database
    or in a file of flags, it notices.
    """

    def __init__(self) -> None:
        _stop_with_parent()
        self._app: ASGIApp | None = None
        self._said = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is not None:  # Nothing else is asked before it is there.
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        ending: asyncio.Future[Any] = asyncio.ensure_future(receive())
        async with AsyncExitStack() as running:
            wait = await self._start(running)
            await send({"type": "lifespan.startup.complete"})
            while not ending.done():
                await asyncio.wait([ending, wait], return_when=asyncio.FIRST_COMPLETED)
                if wait.done():
                    wait = await self._start(running)
            wait.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self, running: AsyncExitStack) -> asyncio.Future[Any]:
        """Start the application, or give up; return what ends when that is to be tried again."""
        try:
            self._app = await running.enter_async_context(_started())
        except (Exception, SystemExit) as error:
            self._app = failure = Failure(error)
            if failure.why != self._said:
                self._said = failure.why
                logger.error(failure.why)
                if failure.sql:
                    print(failure.sql, file=sys.stderr)
            return asyncio.ensure_future(_until_mended(error))
        threading.Thread(target=_catch_up, daemon=True).start()
        return asyncio.get_running_loop().create_future()


@asynccontextmanager
async def _started() -> AsyncIterator[ASGIApp]:
    """Run the application. A module that is added while it runs is migrated at the reload."""
    from app import modules
    from app.development.console.recorder import Recorder
    from app.development.console.routes import Console
    from app.main import create_app
    from app.platform.flags import FlagFiles
    from app.platform.monitoring import Signals
    from app.platform.settings import load_settings
    from app.platform.telemetry import configure_logs
    from app.platform.wiring import discover

    settings = load_settings().model_copy(update={"worker_drain_timeout": 1.0})
    configure_logs(settings)
    folders = discover(modules)
    flags = FlagFiles(folders, settings.flags_file)
    recorder = Recorder()
    signals = Signals(settings, span_processors=[recorder])
    api = create_app(settings, prepare=_migrate, with_worker=True, flags=flags, signals=signals)
    logging.getLogger().addHandler(recorder.handler)
    try:
        async with api.router.lifespan_context(api):
            yield Console(api, settings, folders, api.state.jobs, flags, recorder)
    finally:
        logging.getLogger().removeHandler(recorder.handler)


async def _migrate(engine: "AsyncEngine", folders: "Sequence[ModuleFolder]") -> None:
    """Migrate where that is needed, unless somebody has to read it first."""
    from app import modules
    from app.platform.migrations import is_migrated, migrate
    from app.platform.wiring import moves_of

    moves = moves_of(modules)
    if await is_migrated(engine, folders, moves):
        return
    from app.development.undo import whereabouts
    from app.development.unread import check_read
    from app.platform.database import DatabaseAheadError
    from app.platform.settings import load_settings

    await check_read(engine, folders, moves)
    await engine.dispose()  # A rename is not finished while older connections are open.
    settings = load_settings()
    try:
        await migrate(settings.admin_url, settings.roles, folders, moves)
    except DatabaseAheadError as ahead:
        raise whereabouts(ahead, folders) from ahead


async def _until_mended(error: BaseException) -> None:
    """Wait until what is no code may have been mended."""
    try:
        from app.cli_errors import is_of_database
        from app.platform.database import MigrationError
        from app.platform.flags import FlagsError
        from app.platform.settings import SettingsError
    except Exception:
        await asyncio.Future()  # The next reload comes.
    await asyncio.sleep(_PAUSE)
    if isinstance(error, FlagsError | SettingsError):
        return
    if not (isinstance(error, MigrationError) or is_of_database(error)):
        await asyncio.Future()
    while not await _is_migrated():  # noqa: ASYNC110 Nothing tells of it.
        await asyncio.sleep(_PAUSE)


async def _is_migrated() -> bool:
    from app import modules
    from app.platform.database import close, create_engine
    from app.platform.migrations import is_migrated
    from app.platform.settings import load_settings
    from app.platform.wiring import discover, moves_of

    engine = create_engine(load_settings())
    try:
        return await is_migrated(engine, discover(modules), moves_of(modules))
    except Exception:
        return False
    finally:
        await close(engine)


def _catch_up() -> None:
    """Bring the database up to date in what is no migration, and say which tables no migration makes,
    before a request fails on them; nobody waits for it."""
    from app import modules
    from app.development.autogenerate import missing_migrations
    from app.platform.migrations import migrate
    from app.platform.settings import load_settings
    from app.platform.wiring import discover, moves_of

    settings, folders = load_settings(), discover(modules)
    login = settings.roles
    try:
        asyncio.run(migrate(settings.admin_url, login, folders, moves_of(modules)))
        missing = asyncio.run(missing_migrations(settings.admin_url, login, folders))
    except Exception as error:
        logger.warning("Tables and migrations cannot be compared: %s", explained(error))
        return
    for name, found in missing.items():
        logger.warning(
            '%s: tables.py and the migrations differ. %s Run `app make-migration %s "what changes"`.',
            name,
            " ".join(found),
            name,
        )


def _stop_with_parent() -> None:
    """Stop this process when the one that watches for changes dies, however it dies."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
