"""What is looked at in this process when Prometheus asks: its release, its modules, pools, replica."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TYPE_CHECKING, TypeVar

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database import Pool, Replica
from app.platform.telemetry import PLATFORM
from app.platform.wiring import ModuleFolder

if TYPE_CHECKING:
    from app.platform.jobs import Worker

Family = TypeVar("Family", bound=GaugeMetricFamily | CounterMetricFamily)
Values = Mapping[Any, float]
"""By module, or by it and the values of further labels."""


def gauge(name: str, about: str, values: Values, *labels: str) -> GaugeMetricFamily:
    """Return a gauge, labelled by module and by what else is given."""
    return _filled(GaugeMetricFamily(name, about, labels=["module", *labels]), values)


def counter(name: str, about: str, values: Values, *labels: str) -> CounterMetricFamily:
    """Return a counter, labelled by module and by what else is given."""
    return _filled(CounterMetricFamily(name, about, labels=["module", *labels]), values)


def _filled(metric: Family, values: Values) -> Family:
    for key, value in values.items():
        metric.add_metric([key] if isinstance(key, str) else list(key), value)
    return metric


class Release(Collector):
    """Which release this process is: to be joined with everything else on `instance`."""

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self._attributes = {key.replace(".", "_"): value for key, value in attributes.items()}

    def collect(self) -> Iterator[Metric]:
        release = {(PLATFORM, *self._attributes.values()): 1}
        yield gauge("target_info", "The release that runs.", release, *self._attributes)


class Modules(Collector):
    """Who owns each module, and what it promises: to be joined with everything else on `module`."""

    def __init__(self, folders: Sequence[ModuleFolder]) -> None:
        self._folders = folders

    def collect(self) -> Iterator[Metric]:
        owners = {(folder.name, folder.owner): 1 for folder in self._folders}
        yield gauge("module_info", "The modules.", owners, "owner")
        yield gauge(
            "slo_availability_ratio",
            "The share of requests that must not fail because of the module.",
            {folder.name: folder.objectives.availability for folder in self._folders},
        )
        yield gauge(
            "slo_latency_p99_seconds",
            "The time in which 99 of 100 of its requests must be answered.",
            {folder.name: folder.objectives.latency_p99 for folder in self._folders},
        )


class Pools(Collector):
    """Connections in use, how many there may be, and who waited for one in vain."""

    def __init__(self, engines: Mapping[str, AsyncEngine]) -> None:
        self._engines = engines

    def collect(self) -> Iterator[Metric]:
        found = [(name, engine.sync_engine.pool) for name, engine in self._engines.items()]
        # Others keep no connections.
        pools = {(PLATFORM, name): pool for name, pool in found if isinstance(pool, Pool)}
        used = {(*of, "used"): pool.checkedout() for of, pool in pools.items()}
        idle = {(*of, "idle"): pool.checkedin() for of, pool in pools.items()}
        label = "db_client_connection_pool_name"
        yield gauge(
            "db_client_connection_count",
            "Connections of a pool, used or idle.",
            used | idle,
            label,
            "db_client_connection_state",
        )
        yield gauge(
            "db_client_connection_max",
            "Connections that a pool may have.",
            {of: pool.size() for of, pool in pools.items()},
            label,
        )
        yield counter(
            "db_client_connection_timeouts",
            "How often somebody waited for a connection of a pool, and got none.",
            {of: pool.timeouts for of, pool in pools.items()},
            label,
        )
        yield counter(
            "db_client_connection_held_timeouts",
            "How often somebody waited in vain while the data of a module moved.",
            {of: pool.held for of, pool in pools.items()},
            label,
        )


class ReplicaLag(Collector):
    """How far the replica may be behind, and how far it may be to be read."""

    def __init__(self, replica: Replica, max_lag: float) -> None:
        self._replica, self._max_lag = replica, max_lag

    def collect(self) -> Iterator[Metric]:
        about = "How far the replica may be behind; +Inf where it is not known."
        yield gauge("db_replica_lag_seconds", about, {PLATFORM: self._replica.lag()})
        about = "How far it may be behind for reads to go there."
        yield gauge("db_replica_max_lag_seconds", about, {PLATFORM: self._max_lag})


class QueueSilence(Collector):
    """How long a worker has heard nothing of the queue."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        about = "Seconds since the queue answered this worker."
        yield gauge("worker_queue_silence_seconds", about, {PLATFORM: self._worker.silence})
        if (carrier := self._worker.carrier) is not None:
            about = "Seconds since all jobs were carried that wait for the other of two queues."
            yield gauge("worker_carrier_silence_seconds", about, {PLATFORM: carrier.silence})
