"""What is looked at when Prometheus asks: pools, the queue, the modules that there are."""

import asyncio
import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence

from asyncpg import InterfaceError, PostgresError
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from app.platform.job_records import measure_queue, ModuleQueue, STATES
from app.platform.queue import connect_queue
from app.platform.settings import Settings
from app.platform.wiring import ModuleFolder

logger = logging.getLogger("app.metrics")

_PATIENCE = 3.0
"""Seconds that the queue has to answer; without it, the rest is told."""
_PAUSE = 5.0
"""Seconds for which an answer counts; and at least so many times as long as it took."""
_SHARE = 20


class Modules(Collector):
    """Who owns each module: to be joined with everything else on `module`."""

    def __init__(self, folders: Sequence[ModuleFolder]) -> None:
        self._folders = folders

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("module_info", "The modules.", labels=["module", "owner"])
        for folder in self._folders:
            info.add_metric([folder.name, folder.owner], 1)
        yield info


class Pools(Collector):
    """Connections in use, and how many there may be."""

    def __init__(self, engines: Mapping[str, AsyncEngine]) -> None:
        self._engines = engines

    def collect(self) -> Iterator[Metric]:
        labels = ["module", "db_client_connection_pool_name"]
        count = GaugeMetricFamily(
            "db_client_connection_count",
            "Connections of a pool, used or idle.",
            labels=[*labels, "db_client_connection_state"],
        )
        most = GaugeMetricFamily(
            "db_client_connection_max", "Connections that a pool may have.", labels=labels
        )
        for name, engine in self._engines.items():
            pool = engine.sync_engine.pool
            assert isinstance(pool, QueuePool)
            count.add_metric(["platform", name, "used"], pool.checkedout())
            count.add_metric(["platform", name, "idle"], pool.checkedin())
            most.add_metric(["platform", name], pool.size())
        yield from (count, most)


class Queue(Collector):
    """What waits, runs and is held, by module; asked of the database now and then, by one scrape."""

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        modules: Collection[str],
        jobs: Collection[str],
    ) -> None:
        self._settings, self._loop = settings, loop
        self._modules, self._jobs = modules, jobs
        self._measured: Mapping[str, ModuleQueue] | None = None
        self._next = 0.0

    def describe(self) -> list[Metric]:
        """Say nothing. Without this, `collect` would be called when it is registered, in the loop."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Tell what was measured; nothing where the database did not answer: it is not known then."""
        if time.monotonic() >= self._next:
            self._refresh()
        jobs = GaugeMetricFamily("queue_jobs", "Jobs in the queue.", labels=["module", "job_state"])
        age = GaugeMetricFamily(
            "queue_oldest_due_seconds",
            "How long the job that is due for longest has waited for a worker.",
            labels=["module"],
        )
        if self._measured is not None:
            nothing = ModuleQueue(dict.fromkeys(STATES, 0), 0.0)
            for module in sorted({*self._modules, *self._measured}):
                measured = self._measured.get(module, nothing)
                age.add_metric([module], measured.oldest_due)
                for state, number in measured.jobs.items():
                    jobs.add_metric([module, state], number)
        yield from (jobs, age)

    def _refresh(self) -> None:
        """Ask, in the event loop; this runs in a thread of the server."""
        begun = time.monotonic()
        asked = asyncio.run_coroutine_threadsafe(self._measure(), self._loop)
        try:
            self._measured = asked.result(_PATIENCE + 1)
        except (OSError, PostgresError, InterfaceError, TimeoutError) as error:
            asked.cancel()
            self._measured = None
            logger.warning("The queue could not be measured: %r", error)
        now = time.monotonic()
        self._next = now + max(_PAUSE, _SHARE * (now - begun))

    async def _measure(self) -> Mapping[str, ModuleQueue]:
        async with asyncio.timeout(_PATIENCE), connect_queue(self._settings) as queue:
            return await measure_queue(queue, self._jobs)
