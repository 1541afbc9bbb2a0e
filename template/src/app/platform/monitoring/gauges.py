"""What is looked at in this process when Prometheus asks: its release, its modules, pools, replica."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database import Pool, Replica
from app.platform.telemetry import PLATFORM
from app.platform.wiring import ModuleFolder

if TYPE_CHECKING:
    from app.platform.jobs import Worker


class Release(Collector):
    """Which release this process is: to be joined with everything else on `instance`."""

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self._attributes = {key.replace(".", "_"): value for key, value in attributes.items()}

    def collect(self) -> Iterator[Metric]:
        labels = {"module": PLATFORM, **self._attributes}
        info = GaugeMetricFamily("target_info", "The release that runs.", labels=list(labels))
        info.add_metric(list(labels.values()), 1)
        yield info


class Modules(Collector):
    """Who owns each module, and what it promises: to be joined with everything else on `module`."""

    def __init__(self, folders: Sequence[ModuleFolder]) -> None:
        self._folders = folders

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("module_info", "The modules.", labels=["module", "owner"])
        availability = GaugeMetricFamily(
            "slo_availability_ratio",
            "The share of requests that must not fail because of the module.",
            labels=["module"],
        )
        latency = GaugeMetricFamily(
            "slo_latency_p99_seconds",
            "The time in which 99 of 100 of its requests must be answered.",
            labels=["module"],
        )
        for folder in self._folders:
            info.add_metric([folder.name, folder.owner], 1)
            availability.add_metric([folder.name], folder.objectives.availability)
            latency.add_metric([folder.name], folder.objectives.latency_p99)
        yield from (info, availability, latency)


class Pools(Collector):
    """Connections in use, how many there may be, and who waited for one in vain."""

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
        timeouts = CounterMetricFamily(
            "db_client_connection_timeouts",
            "How often somebody waited for a connection of a pool, and got none.",
            labels=labels,
        )
        for name, engine in self._engines.items():
            pool = engine.sync_engine.pool
            if not isinstance(pool, Pool):  # One that keeps no connections.
                continue
            count.add_metric([PLATFORM, name, "used"], pool.checkedout())
            count.add_metric([PLATFORM, name, "idle"], pool.checkedin())
            most.add_metric([PLATFORM, name], pool.size())
            timeouts.add_metric([PLATFORM, name], pool.timeouts)
        yield from (count, most, timeouts)


class ReplicaLag(Collector):
    """How far the replica may be behind, and how far it may be to be read."""

    def __init__(self, replica: Replica, max_lag: float) -> None:
        self._replica, self._max_lag = replica, max_lag

    def collect(self) -> Iterator[Metric]:
        lag = GaugeMetricFamily(
            "db_replica_lag_seconds",
            "How far the replica may be behind; +Inf where it is not known.",
            labels=["module"],
        )
        most = GaugeMetricFamily(
            "db_replica_max_lag_seconds",
            "How far it may be behind for reads to go there.",
            labels=["module"],
        )
        lag.add_metric([PLATFORM], self._replica.lag())
        most.add_metric([PLATFORM], self._max_lag)
        yield from (lag, most)


class QueueSilence(Collector):
    """How long a worker has heard nothing of the queue."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        silence = GaugeMetricFamily(
            "worker_queue_silence_seconds",
            "Seconds since the queue answered this worker.",
            labels=["module"],
        )
        silence.add_metric([PLATFORM], self._worker.silence)
        yield silence
