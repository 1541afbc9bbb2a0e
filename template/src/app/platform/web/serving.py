"""The web server, in one process or in several that share a port."""

import asyncio
import gc
import math
import os
import signal
import threading
import time
from dataclasses import dataclass
from socket import socket
from types import FrameType
from typing import cast

import uvicorn
from fastapi import FastAPI
from uvicorn.importer import import_from_string
from uvicorn.supervisors import Multiprocess

from app.platform import timeouts as waits

_ALLOCATIONS = 10_000
"""Between two looks for garbage. Python's own number is 700 or 2,000."""

leaving = threading.Event()
"""Set while this process still serves, but asks to be sent nothing more."""


def serve(
    app: str, host: str, port: int, processes: int, shutdown_delay: float, shutdown_timeout: float
) -> None:
    """Serve the application that a function makes, named `module:function`, until SIGTERM.

    Then `/readyz` says 503 for `shutdown_delay` seconds, in which load balancers notice, and all
    is served as before. After it no more connections are accepted, and running requests have
    `shutdown_timeout` seconds.
    """
    config = uvicorn.Config(
        _Application(app),
        factory=True,
        host=host,
        port=port,
        workers=processes,
        timeout_graceful_shutdown=math.ceil(shutdown_timeout),
        access_log=False,  # `requests` tells of each, without the query.
        log_config=None,
        timeout_worker_healthcheck=waits.PROCESS,
        reset_contextvars=True,  # Or a pipelined request would begin in what the last one set.
    )
    if processes == 1:
        _Process(config, shutdown_delay).run()
    else:
        _Processes(config, [config.bind_socket()], shutdown_delay).run()


@dataclass(frozen=True)
class _Application:
    """Makes the application, in a process that may be told to leave by SIGUSR1.

    The collector of garbage leaves alone what is there by then, and looks at the rest less often:
    it took a twentieth of a request's time, and found next to nothing.
    """

    name: str

    def __call__(self) -> FastAPI:
        signal.signal(signal.SIGUSR1, lambda _number, _frame: leaving.set())
        api = cast(FastAPI, import_from_string(self.name)())
        gc.freeze()
        gc.set_threshold(_ALLOCATIONS)
        return api


class _Process(uvicorn.Server):
    """Says that it leaves for a while before it stops."""

    def __init__(self, config: uvicorn.Config, delay: float) -> None:
        super().__init__(config)
        self._delay = delay

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM:  # Ctrl-C does not wait.
            leaving.set()
        super().handle_exit(sig, frame)

    async def main_loop(self) -> None:
        await super().main_loop()
        if leaving.is_set():
            await asyncio.sleep(self._delay)


class _Processes(Multiprocess):
    """Lets its processes say so, and then closes the port at once.

    It would stay open until the last request has come to its end, and callers who could go to
    another instance would wait for an answer that never comes.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket], delay: float) -> None:
        super().__init__(config, sockets)
        self._delay = delay

    def handle_term(self) -> None:
        for process in self.processes:
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, signal.SIGUSR1)
        time.sleep(self._delay)
        super().handle_term()

    def terminate_all(self) -> None:
        for shared in self.sockets:
            shared.close()
        super().terminate_all()
