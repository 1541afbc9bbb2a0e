"""What the database is asked when Prometheus asks: whether it is there and migrated, its size, the queue,
and how long each module's SQL takes.

Now and then, not at each scrape. What it does not answer is not told: it is not known then.
"""

import asyncio
import logging
import threading
import time
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping
from typing import Generic, TypeVar

from prometheus_client import Metric
from prometheus_client.registry import Collector

from app.platform import schemas
from app.platform.database import connect, login_of, role_of
from app.platform.jobs import connect_as_queue, Known, measure_queue, ModuleQueue, STATES
from app.platform.monitoring.gauges import counter, gauge
from app.platform.settings import Settings
from app.platform.telemetry import PLATFORM
from app.platform.timeouts import GAUGE, MARGIN, PROBE
from app.platform.web import Probe

logger = logging.getLogger("app.metrics")

Measured = TypeVar("Measured")
Sums = tuple[float, float]
"""Seconds and calls."""
_PLATFORM = (schemas.STATEMENTS, schemas.QUEUE, schemas.REQUESTS)


class Asked(Collector, Generic[Measured]):
    """Asks in the event loop, on behalf of the thread in which Prometheus asks.

    An answer counts for `pause` seconds; and at least for `share` times as long as it took.
    """

    timeout = GAUGE
    pause = 5.0
    share = 20
    what: str
    """What it asks for, for the log."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._measured: Measured | None = None
        self._next = 0.0
        self._alone = threading.Lock()

    def describe(self) -> list[Metric]:
        """Say nothing. Without this, `collect` would be called when it is registered, in the loop."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Tell what was measured."""
        with self._alone:  # Several may ask at once; who waits here finds the answer of the first.
            if time.monotonic() >= self._next:
                self._refresh()
            told = [] if self._measured is None else list(self._tell(self._measured))
        yield from told

    @abstractmethod
    async def _measure(self) -> Measured: ...

    @abstractmethod
    def _tell(self, measured: Measured) -> Iterator[Metric]: ...

    def _refresh(self) -> None:
        begun = time.monotonic()
        asked = asyncio.run_coroutine_threadsafe(self._measure_in_time(), self._loop)
        try:
            self._measured = asked.result(self.timeout + MARGIN)
        except Exception as error:  # Whatever it is, the other metrics must be told.
            asked.cancel()
            self._measured = None
            self._report(error)
        now = time.monotonic()
        self._next = now + max(self.pause, self.share * (now - begun))

    def _report(self, error: Exception) -> None:
        logger.warning("%s could not be measured: %r", self.what, error)

    async def _measure_in_time(self) -> Measured:
        async with asyncio.timeout(self.timeout):
            return await self._measure()


class Queue(Asked[Mapping[str, ModuleQueue]]):
    """What waits, runs and is held, by module."""

    what = "The queue"

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        modules: Collection[str],
        jobs: Known,
    ) -> None:
        super().__init__(loop)
        self._settings, self._modules, self._jobs = settings, modules, jobs

    async def _measure(self) -> Mapping[str, ModuleQueue]:
        async with connect_as_queue(self._settings) as connection:
            return await measure_queue(connection, self._jobs)

    def _tell(self, measured: Mapping[str, ModuleQueue]) -> Iterator[Metric]:
        nothing = ModuleQueue(dict.fromkeys(STATES, 0), 0.0)
        queues = {name: measured.get(name, nothing) for name in {*self._modules, *measured}}
        jobs = {(name, state): n for name, each in queues.items() for state, n in each.jobs.items()}
        yield gauge("queue_jobs", "Jobs in the queue.", jobs, "job_state")
        yield gauge(
            "queue_oldest_due_seconds",
            "How long the job that is due for longest has waited for a worker.",
            {name: each.oldest_due for name, each in queues.items()},
        )


class Size(Asked[int]):
    """How large the database is, and may become. Its log and other databases are not known here."""

    what = "The size of the database"
    pause = 60.0

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._settings = settings

    async def _measure(self) -> int:
        connection = await connect(self._settings.database_url, command_timeout=GAUGE)
        try:
            return int(await connection.fetchval("SELECT pg_database_size(current_database())"))
        finally:
            await connection.close()

    def _tell(self, measured: int) -> Iterator[Metric]:
        yield gauge("db_size_bytes", "Size of the database.", {PLATFORM: measured})
        if (limit := self._settings.database_size_limit) is not None:
            yield gauge("db_size_limit_bytes", "What it may grow to.", {PLATFORM: limit})


class Readiness(Asked[bool]):
    """What `/readyz` finds: whether the database can be reached, and migrations are pending."""

    what = "Readiness"
    timeout = PROBE + MARGIN  # The probe gives up before.
    pause = share = 1

    def __init__(
        self, probe: Probe, loop: asyncio.AbstractEventLoop, modules: Collection[str]
    ) -> None:
        super().__init__(loop)
        self._probe, self._modules = probe, modules

    async def _measure(self) -> bool:
        await self._probe.obstacle()
        return self._probe.is_reachable

    def _tell(self, measured: bool) -> Iterator[Metric]:
        about = "Whether the database can be reached from here."
        yield gauge("db_up", about, {PLATFORM: measured})
        if measured:
            pending = self._probe.pending
            told = {module: module in pending for module in sorted({*self._modules, *pending})}
            yield gauge("migrations_pending", "Whether a schema is older than the code.", told)


class Statements(Asked[Mapping[str, Sums]]):
    """SQL time and calls by module; of the platform and of the login itself, as `platform`.

    Postgres forgets rare statements, and all when it is told to. Prometheus would take the smaller sum
    for a new beginning; so what is told is what was added from one answer to the next.
    """

    what = "SQL time"
    pause = 15.0

    def __init__(
        self, settings: Settings, loop: asyncio.AbstractEventLoop, modules: Collection[str]
    ) -> None:
        super().__init__(loop)
        self._url = settings.database_url
        self._roles = roles = settings.roles
        own = [login_of(self._url), *(role_of(roles, name) for name in _PLATFORM)]
        self._modules = dict.fromkeys(own, PLATFORM)
        """By role, whose it is."""
        self._modules.update((role_of(roles, name), name) for name in modules)
        self._told: dict[str, Sums] = dict.fromkeys(self._modules.values(), (0.0, 0.0))
        self._before: Mapping[str, Sums] | None = None
        self._said = ""

    async def _measure(self) -> Mapping[str, Sums]:
        sums: dict[str, Sums] = dict.fromkeys(self._modules.values(), (0.0, 0.0))
        from app.platform.query_stats import connect_statistics, sums_by_role

        async with connect_statistics(self._url) as connection:
            rows = await sums_by_role(connection, self._roles)
        for row in rows:
            if module := self._modules.get(row["role"]):
                seconds, calls = sums[module]
                sums[module] = seconds + row["seconds"], calls + row["calls"]
        return sums

    def _tell(self, measured: Mapping[str, Sums]) -> Iterator[Metric]:
        """Add what has grown since the last answer; the first is what later ones are compared with."""
        before, self._before, self._said = self._before or measured, measured, ""
        for module, now in measured.items():
            pairs = zip(self._told[module], now, before[module], strict=True)
            seconds, calls = (told + max(now - then, 0.0) for told, now, then in pairs)
            self._told[module] = seconds, calls
        told = sorted(self._told.items())
        yield counter(
            "db_module_seconds",
            "Time that Postgres worked on statements, as it counts it.",
            {module: seconds for module, (seconds, _) in told},
        )
        yield counter(
            "db_module_calls",
            "Statements that Postgres executed.",
            {module: calls for module, (_, calls) in told},
        )

    def _report(self, error: Exception) -> None:
        self._before = None
        from app.platform.query_stats import StatisticsError

        if not isinstance(error, StatisticsError):
            super()._report(error)
        elif self._said != str(error):
            self._said = str(error)
            logger.info("No SQL time by module. %s", error)
