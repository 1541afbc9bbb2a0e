"""What is counted, in this process, for Prometheus to ask for. Each carries `module`.

Names follow OpenTelemetry's semantic conventions where those have one, as Prometheus spells them. No
label holds what a caller chose: there are as many series as the code has routes, methods and jobs.
"""

from collections.abc import Iterable

from prometheus_client import Counter, disable_created_metrics, Histogram, Metric, REGISTRY
from prometheus_client.registry import Collector

from app.platform.telemetry.deferral import deferred

# When each series was made would be one more series for each.
disable_created_metrics()  # type: ignore[no-untyped-call]


class _UpToDate(Collector):
    """Has counted what waits to be. Asked before the others, since it is the first to be registered."""

    def collect(self) -> Iterable[Metric]:
        deferred.flush()
        return ()


REGISTRY.register(_UpToDate())

NO_ROUTE = "none"
"""The route of a request that was refused before it came to one, or for which there is none."""

_REQUEST = ("module", "http_route", "http_request_method")

requests = Counter(
    "http_server_requests",
    "Requests that were answered.",
    (*_REQUEST, "http_response_status_code"),
)
request_seconds = Histogram(
    "http_server_request_duration_seconds",
    "How long requests took.",
    _REQUEST,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10),
)
refused = Counter(
    "http_server_requests_refused",
    "Requests of which nothing was done: authentication, rate, concurrency, size, time.",
    ("module", "reason"),
)
outcomes = Counter(
    "slo_requests",
    "Requests that a module took part in: good, slow, or failed because of it.",
    ("module", "outcome"),
)
calls = Counter(
    "boundary_calls",
    "Calls of a module's methods by other modules: ok, refused, or error.",
    ("module", "method", "outcome"),
)
call_seconds = Histogram(
    "boundary_call_duration_seconds",
    "How long such calls took.",
    ("module", "method"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
attempts = Counter(
    "job_attempts",
    "Attempts to run a job: done, retried, held, lost or interrupted.",
    ("module", "job_name", "job_outcome"),
)
job_seconds = Histogram(
    "job_duration_seconds",
    "How long attempts took.",
    ("module", "job_name"),
    buckets=(0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60),
)
carried = Counter(
    "jobs_carried",
    "Jobs that were brought to another queue, of a module whose data have one of their own.",
    ("module", "direction"),
)
cache_reads = Counter(
    "cache_reads", "What was asked of a cache: hit or miss.", ("module", "cache", "outcome")
)
cache_loads = Counter(
    "cache_loads",
    "Loads because of misses, one for all who wait: done or error.",
    ("module", "cache", "outcome"),
)
flag_evaluations = Counter(
    "feature_flag_evaluations",
    "How often a flag was asked for, and what it was.",
    ("module", "feature_flag_key", "feature_flag_result_value"),
)
log_lines = Counter("log_lines", "Lines that were logged.", ("module", "level"))
