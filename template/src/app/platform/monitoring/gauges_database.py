"""What the database is asked when Prometheus asks: whether it is there and migrated, its size, the queue.

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
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.platform.database import connect
from app.platform.jobs import connect_as_queue, Known, measure_queue, ModuleQueue, STATES
from app.platform.settings import Settings
from app.platform.telemetry import PLATFORM
from app.platform.timeouts import GAUGE, MARGIN, PROBE
from app.platform.web import Probe

logger = logging.getLogger("app.metrics")

Measured = TypeVar("Measured")


class _Asked(Collector, Generic[Measured]):
    """Asks in the event loop, on behalf of the thread in which Prometheus asks.

    An answer counts for `pause` seconds; and at least for `share` times as long as it took.
    """

    patience = GAUGE
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
            measured = self._measured
        if measured is not None:
            yield from self._tell(measured)

    @abstractmethod
    async def _measure(self) -> Measured: ...

    @abstractmethod
    def _tell(self, measured: Measured) -> Iterator[Metric]: ...

    def _refresh(self) -> None:
        begun = time.monotonic()
        asked = asyncio.run_coroutine_threadsafe(self._measure_in_time(), self._loop)
        try:
            self._measured = asked.result(self.patience + MARGIN)
        except Exception as error:  # Whatever it is, the other metrics must be told.
            asked.cancel()
            self._measured = None
            logger.warning("%s could not be measured: %r", self.what, error)
        now = time.monotonic()
        self._next = now + max(self.pause, self.share * (now - begun))

    async def _measure_in_time(self) -> Measured:
        async with asyncio.timeout(self.patience):
            return await self._measure()


class Queue(_Asked[Mapping[str, ModuleQueue]]):
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
        jobs = GaugeMetricFamily("queue_jobs", "Jobs in the queue.", labels=["module", "job_state"])
        age = GaugeMetricFamily(
            "queue_oldest_due_seconds",
            "How long the job that is due for longest has waited for a worker.",
            labels=["module"],
        )
        nothing = ModuleQueue(dict.fromkeys(STATES, 0), 0.0)
        for module in sorted({*self._modules, *measured}):
            found = measured.get(module, nothing)
            age.add_metric([module], found.oldest_due)
            for state, number in found.jobs.items():
                jobs.add_metric([module, state], number)
        yield from (jobs, age)


class Size(_Asked[int]):
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
        size = GaugeMetricFamily("db_size_bytes", "Size of the database.", labels=["module"])
        size.add_metric([PLATFORM], measured)
        yield size
        if self._settings.database_size_limit is not None:
            limit = GaugeMetricFamily(
                "db_size_limit_bytes", "What it may grow to.", labels=["module"]
            )
            limit.add_metric([PLATFORM], self._settings.database_size_limit)
            yield limit


class Readiness(_Asked[bool]):
    """What `/readyz` finds: whether the database can be reached, and migrations are pending."""

    what = "Readiness"
    patience = PROBE + MARGIN  # The probe gives up before.
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
        up = GaugeMetricFamily(
            "db_up", "Whether the database can be reached from here.", labels=["module"]
        )
        up.add_metric([PLATFORM], measured)
        yield up
        if measured:
            pending = GaugeMetricFamily(
                "migrations_pending", "Whether a schema is older than the code.", labels=["module"]
            )
            for module in sorted({*self._modules, *self._probe.pending}):
                pending.add_metric([module], module in self._probe.pending)
            yield pending
