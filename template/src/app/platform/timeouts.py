"""How long this application waits for what does not answer: every other file takes it from here.

What a team may want to change is a setting instead, such as DATABASE_STATEMENT_TIMEOUT.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

until: ContextVar[float] = ContextVar("until", default=float("inf"))
"""When the request or job at hand is given up, by the clock of the event loop."""


@contextmanager
def given_up_after(seconds: float) -> Iterator[None]:
    """Let calls of other processes in the block know that it has so many seconds."""
    token = until.set(asyncio.get_running_loop().time() + seconds)
    try:
        yield
    finally:
        until.reset(token)


CONNECT = 5.0
"""Seconds until a new connection to Postgres is given up: address, TCP, TLS and login."""
MARGIN = 1.0
"""Seconds that a statement has here beyond the time after which Postgres itself stops it. Who hears
nothing by then has no connection any more. Also what a ROLLBACK has, and leaving a connection."""
PROBE = 3.0
"""Seconds after which a database that does not answer `/readyz` counts as unreachable."""
GAUGE = 2.0
"""Seconds that a server has to answer what is asked now and then: gauges, how recent a replica is.
All that Prometheus asks must take less than the 10 seconds that it waits."""
STATISTICS = 10.0
"""Seconds that Postgres has to tell what its statements took, or would do."""
SILENCE = 15.0
"""Seconds after which `app migrate` ends, where Postgres does nothing that it could be waiting for."""
CACHE = 1.0
"""Seconds that the cache's Redis has to answer."""
CACHE_AWAY = 5.0
"""Seconds for which it is left alone when it did not; then one caller tries, and nobody else waits."""
REMOTE = 2.0
"""Seconds that a module in another process has to answer. REMOTE_TIMEOUTS says what differs."""
REMOTE_CONNECT = 1.0
"""Seconds that a connection to it may take. By then nothing was sent, and another may be tried."""
REMOTE_KEPT = 3.0
"""Seconds for which a connection is kept that nobody uses: fewer than servers and proxies keep it."""
REMOTE_AWAY = 10.0
"""Seconds for which a method is left alone that failed several times; then one caller tries."""
REMOTE_SIGNED = 30
"""Seconds for which a signature counts."""
REMOTE_SKEW = 5
"""Seconds by which the clocks of two processes may differ."""
QUEUE = 60.0
"""Seconds that the queue has to answer a person. A worker gives it WORKER_LOST_AFTER."""
LEAVE = 5.0
"""Seconds in which a worker that ends hands over what it has: jobs that are cut short, and those not
begun. Then it is gone, and others take them after WORKER_LOST_AFTER."""
CLOSE = 2.0
"""Seconds that whatever else is open has to be closed when a process ends."""
ISSUER = 5.0
"""Seconds in which an issuer of tokens must have told all its keys, however slowly it speaks."""
LAST_SPANS = 1.5
"""Seconds that the last spans have, when a process ends, to reach the collector."""
PROCESS = 120
"""Seconds in which a process of the web server must answer the one that leads. To load the
application it needs some, on a busy machine many: uvicorn begins anew after 5, again and again."""
TURN = 3.0
"""Seconds in which an event loop that is merely busy has a turn for who asks whether it lives."""

KEEPALIVE_IDLE = 10
"""Seconds of silence after which the kernel asks the other end of a connection whether it is there."""
KEEPALIVE_INTERVAL = 5
"""Seconds between two such questions."""
KEEPALIVE_COUNT = 3
"""How many may stay without an answer."""
UNACKNOWLEDGED = 20
"""Seconds after which the kernel gives a connection up on which something sent has not arrived."""
