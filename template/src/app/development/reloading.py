"""`app dev` serves a change a moment after it is saved.

Each server is forked from a process that has imported the platform and its libraries, and imports the
modules alone. A change outside of them begins with a new such process.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module, invalidate_caches
from importlib.util import cache_from_source
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socket

import uvicorn
from uvicorn.supervisors.basereload import HANDLED_SIGNALS
from uvicorn.supervisors.watchfilesreload import WatchFilesReload

_MODULES = Path(__file__).parents[1] / "modules"
_PRELOADED = (
    "alembic.command",
    "app.development.autogenerate",
    "app.development.console.routes",
    "app.main",
    "app.platform.flags.provider",
    "app.platform.jobs.worker",
    "app.platform.telemetry.otlp",
    "cashews",
    "pgqueuer",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)


class Reload(WatchFilesReload):
    """Watches the source, and replaces the server when it changes."""

    def __init__(self, config: uvicorn.Config, listening: socket) -> None:
        super().__init__(config, uvicorn.Server(config).run, [listening])
        self._nursery = _Nursery(config, self.sockets)
        self._server = 0

    def startup(self) -> None:
        """Start the first server."""
        for number in HANDLED_SIGNALS:
            signal.signal(number, self.signal_handler)
        self._server = self._nursery.start()

    def should_restart(self) -> list[Path] | None:
        """Return what has changed. A nursery that knows it from before is replaced."""
        changes = super().should_restart()
        for each in changes or ():  # Python takes a file of the same second and size for the same.
            if each.suffix == ".py":
                Path(cache_from_source(each)).unlink(missing_ok=True)
        if changes and not all(_is_of_module(each) for each in changes):
            self._nursery.stop(self._server)
            self._nursery = _Nursery(self.config, self.sockets)
            self._server = 0
        return changes

    def restart(self) -> None:
        """Start a server; the one before ends meanwhile, and accepts nothing more."""
        before = self._server
        if before:
            self._nursery.terminate(before)
        self._server = self._nursery.start()
        if before:
            self._nursery.join(before)

    def shutdown(self) -> None:
        """Stop everything."""
        self._nursery.stop(self._server)
        for each in self.sockets:
            each.close()


class _Nursery:
    """The process from which servers are forked. It ends, and they do, when this process ends."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._ask, answer = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(config, sockets, answer))
        main = vars(sys.modules["__main__"])
        file = main.pop("__file__", None)  # It would be imported there, broken or not.
        self._process.start()
        main["__file__"] = file
        answer.close()

    def start(self) -> int:
        """Start a server; return its process id, or 0 where the nursery has died."""
        return self._say("start", 0)

    def terminate(self, pid: int) -> None:
        """Ask a server to end."""
        self._say("terminate", pid)

    def join(self, pid: int) -> None:
        """Wait until it has."""
        self._say("join", pid)

    def stop(self, pid: int) -> None:
        """End a server, if there is one, and the nursery."""
        if pid:
            self.terminate(pid)
            self.join(pid)
        self._ask.close()
        self._process.join()

    def _say(self, what: str, pid: int) -> int:
        with suppress(OSError, EOFError):
            self._ask.send((what, pid))
            return int(self._ask.recv())
        return 0


def _serve(config: uvicorn.Config, sockets: list[socket], asked: Connection) -> None:
    """Fork servers for as long as somebody asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of the terminal's processes.
    _preload(_PRELOADED)
    with suppress(EOFError, OSError):
        while True:
            what, pid = asked.recv()
            if what == "start":
                pid = os.fork()
                if not pid:
                    asked.close()
                    _run(config, sockets)
                    return  # To the end of a process: what is registered for it is called.
            elif what == "terminate":
                os.kill(pid, signal.SIGTERM)
            else:
                os.waitpid(pid, 0)
            asked.send(pid)


def _preload(names: Iterable[str]) -> None:
    for name in names:
        with suppress(Exception):  # The server fails for the same reason, and tells it.
            import_module(name)


def _run(config: uvicorn.Config, sockets: list[socket]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    invalidate_caches()
    with suppress(OSError):
        sys.stdin = os.fdopen(0)  # For a debugger.
    config.configure_logging()
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets)


def _is_of_module(path: Path) -> bool:
    return path.is_relative_to(_MODULES) and path != _MODULES / "__init__.py"
