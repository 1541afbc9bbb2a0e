"""Processes that serve modules to tests, on the database of each.

`python -m app.development.rehearsal_processes` has imported everything. For each test it forks what
serves, and ends that when the next test asks: nothing of one test is left for another.
"""

import base64
import json
import logging
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider.in_memory_provider import InMemoryProvider

from app.platform.settings import Settings

_SECONDS_TO_END = 5
_PRELOADED = (
    "app.main",
    "app.platform.remote.client",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)


class Processes:
    """Starts and ends them, for one run of the tests."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rehearsal-")
        self._log, self._flags = (Path(self._folder.name) / name for name in ("log", "flags"))
        self._keys = f"rehearsal:{base64.b64encode(secrets.token_bytes(32)).decode()}"
        with self._log.open("ab") as log:
            self._nursery = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    @contextmanager
    def serving(
        self, settings: Settings, served: Mapping[str, Sequence[str]]
    ) -> Iterator[tuple[dict[str, str], Path]]:
        """Serve modules, each with others that it calls, while the block lasts.

        Yields what settings of their callers say of them, and the log.
        """
        environment = {
            "DATABASE_URL": settings.database_url,
            "ENVIRONMENT": settings.environment,
            "REMOTE_KEYS": self._keys,
        }
        os.truncate(self._log, 0)
        self._flags.write_text("")
        addresses = self._ask(
            modules=served, environment=environment, log=str(self._log), flags=str(self._flags)
        )
        timeouts = " ".join(f"{name}={settings.request_timeout:g}" for name in served)
        try:
            yield (
                {
                    "remote_modules": " ".join(f"{name}={at}" for name, at in addresses.items()),
                    "remote_keys": self._keys,
                    "remote_timeouts": timeouts,
                },
                self._log,
            )
        finally:
            self._ask(modules={})

    def turn_on(self, key: str) -> None:
        """Turn a flag on in the processes of this test."""
        with self._flags.open("a") as flags:
            flags.write(f"{key}\n")

    def close(self) -> None:
        """End what is left."""
        self._nursery.communicate()
        self._folder.cleanup()

    def _ask(self, **asked: object) -> dict[str, str]:
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        with suppress(BrokenPipeError):
            self._nursery.stdin.write(f"{json.dumps(asked)}\n")
            self._nursery.stdin.flush()
        if not (answer := self._nursery.stdout.readline()):
            raise RuntimeError(f"Nothing serves the modules:\n{self._log.read_text()}")
        answered: dict[str, str] = json.loads(answer)
        return answered


def main() -> None:
    """Serve what is asked for, a line of JSON for each test, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of the terminal's processes.
    _preload()
    children: list[int] = []
    for line in sys.stdin:
        _end(children)
        asked = json.loads(line)
        listening = {name: socket.create_server(("127.0.0.1", 0)) for name in asked["modules"]}
        at = {name: f"http://127.0.0.1:{each.getsockname()[1]}" for name, each in listening.items()}
        for name, served in asked["modules"].items():
            others = " ".join(f"{each}={at[each]}" for each in at if each != name)
            placed = {"MODULES": " ".join(served), "REMOTE_MODULES": others}
            if not (pid := os.fork()):
                os.environ.update(asked["environment"] | placed)
                _serve(listening[name], asked["log"], Path(asked["flags"]))
            children.append(pid)
        for each in listening.values():
            each.close()
        print(json.dumps(at), flush=True)
    _end(children)


def _preload() -> None:
    from app import modules
    from app.platform.wiring import discover

    for name in _PRELOADED:
        import_module(name)
    discover(modules)


def _serve(listening: socket.socket, log: str, flags: Path) -> NoReturn:
    """Serve the application of this environment, as soon as somebody calls it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(written, number)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    select.select([listening], [], [])
    try:
        _run(listening, flags)
    except BaseException:
        traceback.print_exc()
    _leave()


def _run(listening: socket.socket, flags: Path) -> None:
    import uvicorn

    from app.main import create_app
    from app.platform.settings import load_settings
    from app.platform.telemetry import configure_logs

    signal.signal(signal.SIGTERM, _leave)  # Once it has stopped, uvicorn sends what it got.
    settings = load_settings()
    configure_logs(settings)
    api = create_app(settings, flags=TurnedOn(flags))
    uvicorn.Server(uvicorn.Config(api, log_config=None, access_log=False)).run([listening])


class TurnedOn(InMemoryProvider):
    """Flags that are on because a test says so, in another process, by a file."""

    def __init__(self, file: Path) -> None:
        super().__init__({})
        self._file = file

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        return FlagResolutionDetails(flag_key in self._file.read_text().split())


def _leave(*_: object) -> NoReturn:
    """End without what takes Python its time; the log is written to its end."""
    logging.shutdown()
    os._exit(0)


def _end_with(parent: int) -> None:
    """End this process when the one that forked it has died."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _end(children: list[int]) -> None:
    """End processes, and wait until they have."""
    for pid in children:
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + _SECONDS_TO_END
    for pid in children:
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)
    children.clear()


if __name__ == "__main__":
    main()
