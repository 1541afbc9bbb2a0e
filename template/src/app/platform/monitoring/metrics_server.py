"""Where Prometheus asks: `/metrics`, on a port and in a thread of its own; and `/healthz`, for whoever
watches a worker: whether its event loop turns, and when the queue answered last.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from threading import Thread
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer

from prometheus_client import REGISTRY, start_http_server
from prometheus_client.registry import Collector

from app.platform import timeouts as waits
from app.platform.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from app.platform.jobs import Worker

logger = logging.getLogger("app.metrics")

_PORTS = 32
"""Each process needs a port of its own: the first of so many that is free."""


@asynccontextmanager
async def metrics_served(
    settings: Settings, collectors: Sequence[Collector], worker: "Worker | None" = None
) -> AsyncIterator[None]:
    """Serve what this process counts, and what these look at, while the block lasts.

    Not being able to is logged: an application without metrics is better than none.
    """
    if not settings.metrics_port:
        yield
        return
    for collector in collectors:
        REGISTRY.register(collector)
    started = _start(settings.metrics_host, settings.metrics_port)
    if started is not None:
        server = started[0]
        app = _with_health(server.get_app(), asyncio.get_running_loop(), worker)  # type: ignore[arg-type]
        server.set_app(app)
    try:
        yield
    finally:
        if started is not None:
            await asyncio.to_thread(_stop, *started)
        for collector in collectors:
            REGISTRY.unregister(collector)


def _start(host: str, first: int) -> tuple[WSGIServer, Thread] | None:
    last = min(first + _PORTS - 1, 65535)
    for port in range(first, last + 1):
        try:
            server, thread = start_http_server(port, host)
        except OSError as error:
            reason = error
            continue
        shown = f"[{host}]" if ":" in host else host
        logger.info("Metrics: http://%s:%d/metrics", shown, port)
        return server, thread
    logger.error("No metrics: of METRICS_HOST %s, no port %d to %d: %s", host, first, last, reason)
    return None


def _with_health(
    metrics: "WSGIApplication", loop: asyncio.AbstractEventLoop, worker: "Worker | None"
) -> "WSGIApplication":
    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/healthz":
            return metrics(environ, start_response)
        is_well, said = _health(loop, worker)
        status = "200 OK" if is_well else "503 Service Unavailable"
        length = str(len(said))
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", length)])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [said.encode()]

    return answer


def _health(loop: asyncio.AbstractEventLoop, worker: "Worker | None") -> tuple[bool, str]:
    turn = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop)
    try:
        turn.result(waits.TURN)
    except TimeoutError:
        turn.cancel()
        return False, "The event loop is blocked.\n"
    if worker is None:
        return True, "ok\n"
    heard = f"The queue answered {worker.silence:.1f} s ago.\n"
    return worker.is_well, "ok\n" * worker.is_well + heard


def _stop(server: WSGIServer, thread: Thread) -> None:
    server.shutdown()
    server.server_close()
    thread.join()
