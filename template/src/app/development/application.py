"""What `app dev` serves: the application behind its console, or why there is none."""

import asyncio
import logging
import multiprocessing
import os
import signal
import threading

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.cli_errors import describe

logger = logging.getLogger("app.development")


class DevelopmentApplication:
    """The application and its console, or an answer 503 that says why it does not start.

    Until the next reload the port stays open, and whoever asks would wait for ever.
    """

    def __init__(self) -> None:
        _stop_with_parent()
        self._app: ASGIApp | None = None
        try:
            self._app = _create()
        except (Exception, SystemExit) as error:
            self._give_up(error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse(f"{self._why}\n", 503)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1011})

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start and end the application. The server goes on where it does not start: a migration
        may fail."""
        started = False

        async def hear(message: Message) -> None:
            nonlocal started
            if message["type"] == "lifespan.startup.complete":
                started = True
                threading.Thread(target=_catch_up, daemon=True).start()
            if message["type"] != "lifespan.startup.failed":
                await send(message)

        if self._app is not None:
            try:
                await self._app(scope, receive, hear)
                return
            except Exception as error:
                if started:
                    raise
                self._give_up(error)
        else:
            await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _give_up(self, error: BaseException) -> None:
        self._app, self._why = None, f"The application does not start: {describe(error)}"
        logger.error(self._why)


def _create() -> ASGIApp:
    """Create the application. A module that is added while it runs is migrated at the reload."""
    # Here, where a file that is broken is heard of.
    from app import modules
    from app.development.console.recorder import Recorder
    from app.development.console.routes import Console
    from app.main import create_app
    from app.platform.flags import FlagFiles
    from app.platform.monitoring import Signals
    from app.platform.settings import load_settings
    from app.platform.wiring import discover

    settings = load_settings().model_copy(update={"worker_drain_timeout": 1.0})
    recorder = Recorder()
    signals = Signals(settings, span_processors=[recorder])
    logging.getLogger().addHandler(recorder.handler)
    folders = discover(modules)
    flags = FlagFiles(folders, settings.flags_file)
    api = create_app(settings, migrate_first=True, with_worker=True, flags=flags, signals=signals)
    return Console(api, settings, folders, api.state.jobs, flags, recorder)


def _catch_up() -> None:
    """Bring the database up to date in what is no migration, and say which tables no migration makes,
    before a request fails on them; nobody waits for it."""
    from app import modules
    from app.development.autogenerate import missing_migrations
    from app.platform.database import login_of
    from app.platform.migrations import migrate
    from app.platform.settings import load_settings
    from app.platform.wiring import discover

    settings, folders = load_settings(), discover(modules)
    login = login_of(settings.database_url)
    try:
        asyncio.run(migrate(settings.admin_url, login, folders))
        missing = asyncio.run(missing_migrations(settings.admin_url, login, folders))
    except Exception as error:
        logger.warning("Tables and migrations cannot be compared: %s", describe(error))
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
