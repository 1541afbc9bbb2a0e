"""What a process tells of itself while it runs: its log, its metrics, and its traces."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, AsyncExitStack
from typing import TYPE_CHECKING

from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database import Replica, trace_statements
from app.platform.jobs import Known
from app.platform.monitoring.gauges import Modules, Pools, QueueSilence, Release, ReplicaLag
from app.platform.monitoring.gauges_database import Queue, Readiness, Size, Statements
from app.platform.monitoring.metrics_server import metrics_served
from app.platform.settings import Settings
from app.platform.telemetry import configure_logs, deferred
from app.platform.web import Probe
from app.platform.wiring import ModuleFolder

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

    from app.platform.jobs import Worker


class Signals:
    """Of one process: made as soon as it has its settings, so that all it logs is in its log.

    `span_processors` get the spans of all traces, each when it has ended (`on_end`).
    """

    def __init__(self, settings: Settings, span_processors: "Sequence[SpanProcessor]" = ()) -> None:
        self._settings, self._span_processors = settings, span_processors
        self._logs = configure_logs(settings)

    @asynccontextmanager
    async def running(
        self,
        folders: Sequence[ModuleFolder],
        jobs: Known,
        engine: AsyncEngine,
        probe: Probe,
        replica: Replica | None = None,
        worker: "Worker | None" = None,
    ) -> AsyncIterator[None]:
        """Tell, while the block lasts, of these modules, jobs and pools as well."""
        names = [folder.name for folder in folders]
        pools = {"primary": engine} | ({"replica": replica.engine} if replica else {})
        loop = asyncio.get_running_loop()
        collectors: list[Collector] = [
            Release(self._settings.release),
            Modules(folders),
            Pools(pools),
            Queue(self._settings, loop, names, jobs),
            Size(self._settings, loop),
            Readiness(probe, loop, names),
            Statements(self._settings, loop, names),
        ]
        if replica is not None:
            collectors.append(ReplicaLag(replica, self._settings.database_replica_max_lag))
        if self._settings.own_database_url:
            from app.platform.monitoring.gauges_carving import Carving  # Few need it.

            collectors.append(Carving(self._settings, loop, self._settings.own_database_url))
        if worker is not None:
            collectors.append(QueueSilence(worker))
        async with AsyncExitStack() as all:
            await all.enter_async_context(self._logs.running(names))
            await all.enter_async_context(metrics_served(self._settings, collectors, worker))
            if self._span_processors or self._settings.otel_exporter_otlp_endpoint:
                from app.platform.telemetry import traces_recorded  # Slow to import.

                trace_statements(each.sync_engine for each in pools.values())
                await all.enter_async_context(
                    traces_recorded(self._settings, self._span_processors)
                )
            all.enter_context(deferred.on())
            yield
