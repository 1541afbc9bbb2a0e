"""What is counted and looked at, and that it cannot grow without end."""

import asyncio
import io
import logging
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg
import httpx
import pytest
from httpx import AsyncClient
from prometheus_client import REGISTRY
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from starlette.types import Message, Receive, Scope, Send

from app.platform import timeouts as waits
from app.platform.cache.cache import Cache
from app.platform.cache.store import CacheStore
from app.platform.database.database import Database
from app.platform.database.engine import async_url, create_engine, login_of
from app.platform.database.replica import Replica
from app.platform.database.roles import owner_of
from app.platform.errors import DomainError
from app.platform.flags.flags import Flags
from app.platform.jobs.queue import enqueue, NewJob
from app.platform.jobs.worker import Worker
from app.platform.monitoring.gauges import Modules, Pools, ReplicaLag
from app.platform.monitoring.gauges_database import Queue, Readiness, Size
from app.platform.monitoring.metrics_server import metrics_served
from app.platform.settings.settings import Settings
from app.platform.telemetry.log_writer import LogWriter
from app.platform.web.health import Probe
from app.platform.web.requests import Requests
from app.platform.wiring.boundary import at_boundary
from app.platform.wiring.modules import ModuleFolder
from app.platform.wiring.observing import observe_call
from app.platform.wiring.wiring import Wired

from ..looking import free_port, looked_at

PREPARE = "catalog.prepare_item"
ITEM = b'{"id": "00000000-0000-7000-8000-000000000000"}'
"""What `prepare_item` takes."""


def count(name: str, **labels: object) -> float:
    """Return the number that stands now in one time series."""
    return (
        REGISTRY.get_sample_value(name, {key: str(value) for key, value in labels.items()}) or 0.0
    )


def series(prefix: str) -> int:
    return sum(len(m.samples) for m in REGISTRY.collect() if m.name.startswith(prefix))


def request(route: str, method: str, status: int, module: str = "catalog") -> dict[str, object]:
    labels = {"module": module, "http_route": route, "http_request_method": method}
    return {**labels, "http_response_status_code": status}


async def test_a_request_is_counted_and_timed_by_its_route(client: AsyncClient) -> None:
    kinds = [
        request("/catalog/items/{id}", "GET", 404),
        request("/catalog/items", "POST", 201),
        request("none", "_OTHER", 404, "platform"),
    ]
    before = [count("http_server_requests_total", **kind) for kind in kinds]
    await client.get("/catalog/items/00000000-0000-0000-0000-000000000000?q=1")
    await client.post("/catalog/items", json={"name": "a"})
    await client.request("PURGE", "/nowhere")
    after = [count("http_server_requests_total", **kind) for kind in kinds]
    assert after == [number + 1 for number in before]
    timed = {key: kinds[1][key] for key in ("module", "http_route", "http_request_method")}
    assert count("http_server_request_duration_seconds_count", **timed) >= 1


async def test_three_hundred_modules_and_a_thousand_unknown_urls_stay_few() -> None:
    async def lost(scope: Scope, _receive: Receive, _send: Send) -> None:
        scope["status"] = 404

    async def receive() -> Message:
        raise AssertionError

    async def send(_message: Message) -> None:
        raise AssertionError

    names = {f"module-{number}": f"module_{number}" for number in range(300)}
    requests = Requests(lost, names, {})
    before = series("http_server")
    for number in range(1000):
        scope: dict[str, Any] = {"type": "http", "headers": [], "method": f"M{number}"}
        await requests({**scope, "path": f"/unknown-{number}/{number}"}, receive, send)
    for name in names:
        path = f"/{name}/nothing"
        await requests({**scope, "path": path}, receive, send)
    a_kind = 1 + 13 + 2  # A counter; the buckets, sum and count of a histogram.
    assert series("http_server") - before <= 301 * a_kind


async def test_what_is_refused_is_counted_by_reason(client: AsyncClient) -> None:
    del client.headers["Authorization"]
    before = count("http_server_requests_refused_total", module="catalog", reason="authentication")
    await client.get("/catalog/items")
    await client.get("/catalog/items", headers={"Authorization": "Bearer x"})
    after = count("http_server_requests_refused_total", module="catalog", reason="authentication")
    assert after == before + 2


class NoMoneyError(DomainError): ...


class Billing(Protocol):
    async def charge(self, error: Exception | None = None) -> None: ...


class Service:
    async def charge(self, error: Exception | None = None) -> None:
        if error is not None:
            raise error


async def test_a_call_at_the_boundary_is_counted_and_timed() -> None:
    billing = at_boundary(Billing, Service(), "billing", observe_call)
    labels = {"module": "billing", "method": "charge"}
    await billing.charge()
    for error in (NoMoneyError("none"), KeyError("x")):
        with pytest.raises(type(error)):
            await billing.charge(error)
    for outcome in ("ok", "refused", "error"):
        assert count("boundary_calls_total", **labels, outcome=outcome) == 1
    assert count("boundary_call_duration_seconds_count", **labels) == 3


async def test_jobs_are_counted_and_the_queue_is_looked_at(
    settings: Settings, engine: AsyncEngine, wired: Wired, folders: list[ModuleFolder]
) -> None:
    names = [folder.name for folder in folders]
    loop = asyncio.get_running_loop()

    async def queue() -> dict[tuple[str, ...], float]:
        return await looked_at(Queue(settings, loop, names, wired.jobs))

    async with Database(engine, "catalog").transaction() as tx:
        await enqueue(tx, [NewJob(PREPARE, ITEM), NewJob(PREPARE, b'{"x": 1}')])
        await enqueue(tx, [NewJob("catalog.gone", b"{}")])
    found = await queue()
    assert found["queue_jobs", "catalog", "waiting"] == 2
    assert found["queue_jobs", "catalog", "unknown"] == 1
    assert 0 < found["queue_oldest_due_seconds", "catalog"] < 60
    done, held = (
        {"module": "catalog", "job_name": PREPARE, "job_outcome": outcome}
        for outcome in ("done", "held")
    )
    before = count("job_attempts_total", **done), count("job_attempts_total", **held)
    with pytest.raises(Exception, match="do not fit its code"):
        await Worker(settings, engine, {PREPARE: wired.jobs[PREPARE]}).run_due()
    after = count("job_attempts_total", **done), count("job_attempts_total", **held)
    assert after == (before[0] + 1, before[1] + 1)
    found = await queue()
    assert found["queue_jobs", "catalog", "held"] == 1
    assert found["queue_jobs", "catalog", "waiting"] == 0


async def test_the_queue_is_asked_now_and_then_and_not_told_when_it_cannot_be(
    settings: Settings, wired: Wired
) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://app@127.0.0.1:1/app"})
    queue = Queue(away, asyncio.get_running_loop(), ["catalog"], wired.jobs)
    queue.pause = 600
    assert await looked_at(queue) == {}
    queue._settings = settings
    assert await looked_at(queue) == {}
    queue._next = 0
    assert (await looked_at(queue))["queue_jobs", "catalog", "waiting"] == 0


async def test_whatever_goes_wrong_in_one_gauge_the_others_are_told(
    settings: Settings, wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, asked = Queue(settings, asyncio.get_running_loop(), ["catalog"], wired.jobs), 0

    async def odd() -> object:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.1)
        raise AttributeError("odd handshake")

    monkeypatch.setattr(queue, "_measure", odd)
    assert await asyncio.gather(*(looked_at(queue) for _ in range(3))) == [{}, {}, {}]
    assert asked == 1
    pooled_by_others = create_async_engine(async_url(settings.database_url), poolclass=NullPool)
    assert await looked_at(Pools({"other": pooled_by_others})) == {}


async def test_pools_and_modules_are_looked_at(
    settings: Settings, folders: list[ModuleFolder]
) -> None:
    engine = create_engine(settings)
    async with engine.connect():
        found = await looked_at(Pools({"primary": engine}))
    await engine.dispose()
    assert found["db_client_connection_count", "platform", "primary", "used"] == 1
    assert found["db_client_connection_max", "platform", "primary"] == 10
    for folder in folders:
        told = await looked_at(Modules(folders))
        assert told["module_info", folder.name, folder.owner] == 1
        assert told["slo_availability_ratio", folder.name] == 0.999
        assert told["slo_latency_p99_seconds", folder.name] == 0.3


async def test_who_waits_in_vain_for_a_connection_is_counted(settings: Settings) -> None:
    few = {"database_pool_size": 1, "database_pool_timeout": 0.01}
    engine = create_engine(settings.model_copy(update=few))
    async with engine.connect():
        for _ in range(2):
            with pytest.raises(PoolTimeout):
                await engine.connect()
    found = await looked_at(Pools({"primary": engine}))
    assert found["db_client_connection_timeouts_total", "platform", "primary"] == 2
    await engine.dispose()


async def test_the_size_of_the_database_is_told_and_what_it_may_grow_to(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    limited = settings.model_copy(update={"database_size_limit": 10**9})
    for given in (settings, limited):
        found = await looked_at(Size(given, loop))
        assert 10**6 < found["db_size_bytes", "platform"] < 10**9
    assert found["db_size_limit_bytes", "platform"] == 10**9


async def test_pending_migrations_are_told_and_whether_the_database_is_there(
    settings: Settings, engine: AsyncEngine, folders: list[ModuleFolder]
) -> None:
    loop = asyncio.get_running_loop()
    names = [folder.name for folder in folders]
    admin = await asyncpg.connect(settings.admin_url)
    owner = owner_of(login_of(settings.database_url), "catalog")
    await admin.execute(f'SET ROLE "{owner}"; DELETE FROM catalog.alembic_version')
    await admin.close()
    found = await looked_at(Readiness(Probe(engine, folders), loop, names))
    assert found["db_up", "platform"] == 1
    assert found["migrations_pending", "catalog"] == 1
    assert found["migrations_pending", "ordering"] == 0
    nowhere = create_engine(
        settings.model_copy(update={"database_url": "postgresql://app@127.0.0.1:1/app"})
    )
    found = await looked_at(Readiness(Probe(nowhere, folders), loop, names))
    assert found == {("db_up", "platform"): 0}


def test_the_lag_of_a_replica_is_told_and_infinite_where_it_is_not_known(
    settings: Settings,
) -> None:
    replica = Replica(settings, settings.database_url)
    lag = {
        sample.name: sample.value
        for metric in ReplicaLag(replica, 5).collect()
        for sample in metric.samples
    }
    assert lag == {"db_replica_lag_seconds": math.inf, "db_replica_max_lag_seconds": 5}


@dataclass(frozen=True)
class Price:
    cents: int


@pytest.mark.usefixtures("flags")
async def test_caches_and_flags_are_counted() -> None:
    async def load() -> Price:
        return Price(1)

    async def fail() -> Price:
        raise KeyError

    prices = Cache(CacheStore(), "planted").of("price", Price, ttl=60)
    labels = {"module": "planted", "cache": "price"}
    await asyncio.gather(*(prices.get("a", load) for _ in range(3)))
    await prices.get("a", load)
    with pytest.raises(KeyError):
        await prices.get("b", fail)
    assert count("cache_reads_total", **labels, outcome="miss") == 4
    assert count("cache_reads_total", **labels, outcome="hit") == 1
    assert count("cache_loads_total", **labels, outcome="done") == 1
    assert count("cache_loads_total", **labels, outcome="error") == 1
    for number in range(3):
        Flags("planted").is_on(f"unknown_{number}")
    unknown = {"module": "planted", "feature_flag_key": "unknown"}
    assert count("feature_flag_evaluations_total", **unknown, feature_flag_result_value="off") == 3


def test_lines_are_counted_by_module() -> None:
    writer = LogWriter(io.StringIO())
    labels = {"module": "planted", "level": "error"}
    before = count("log_lines_total", **labels)
    record = logging.makeLogRecord({"name": "app.modules.planted.jobs", "levelname": "ERROR"})
    writer.emit(record)
    writer.close()
    assert count("log_lines_total", **labels) == before + 1


async def test_each_process_has_a_port_of_its_own(
    settings: Settings, folders: list[ModuleFolder], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.metrics")
    port = free_port()
    given = settings.model_copy(update={"metrics_port": port})
    async with metrics_served(given, [Modules(folders)]), metrics_served(given, []):
        first, second = (line.split()[1] for line in caplog.messages)
        assert first == f"http://127.0.0.1:{port}/metrics"
        assert second != first
        async with httpx.AsyncClient(timeout=60) as client:
            for url in (first, second):
                assert 'module_info{module="catalog"' in (await client.get(url)).text
    async with metrics_served(settings.model_copy(update={"metrics_port": 0}), []):
        pass
    assert len(caplog.messages) == 2


async def test_a_process_is_healthy_while_its_event_loop_turns(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "app.metrics")
    port = free_port()
    monkeypatch.setattr(waits, "TURN", 60)
    async with metrics_served(settings.model_copy(update={"metrics_port": port}), []):
        url = caplog.messages[0].split()[1].replace("/metrics", "/healthz")
        async with httpx.AsyncClient(timeout=60) as client:
            assert (await client.get(url)).status_code == 200
            head = await client.head(url)
            assert (head.status_code, head.headers["Content-Length"], head.text) == (200, "3", "")
        monkeypatch.setattr(waits, "TURN", 0.2)
        with ThreadPoolExecutor() as thread:
            # Nothing else runs here meanwhile.
            answer = thread.submit(httpx.get, url, timeout=60).result()
        assert answer.status_code == 503
        assert answer.text == "The event loop is blocked.\n"
