"""Traces: what is a span, under which other, and what it tells."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import asyncpg
import pytest
from fastapi import APIRouter
from httpx import ASGITransport, AsyncClient
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.auth.principal import PUBLIC
from app.platform.database.database import Database, Tx
from app.platform.database.engine import create_engine
from app.platform.database.errors import OutcomeUnknownError
from app.platform.database.fetch import Prepared
from app.platform.database.statement_spans import trace_statements
from app.platform.errors import DomainError
from app.platform.jobs.queue import connect_queue, enqueue, NewJob
from app.platform.jobs.recovery import recover
from app.platform.jobs.worker import Worker
from app.platform.monitoring.metrics_server import metrics_served
from app.platform.settings.settings import Settings
from app.platform.telemetry.context import Place, place
from app.platform.telemetry.otlp import traces_recorded
from app.platform.telemetry.traces import begin, begin_trace, span, Tracing, tracing
from app.platform.web.http import create_api
from app.platform.wiring.wiring import Wired

from ..looking import free_port
from ..tracing import CALLER, id_of, parent_of, settled, Traces, tracing_app

UNSAMPLED = CALLER[:-1] + "0"
NOTHING: dict[str, str] = {}
ITEM = b'{"id": "00000000-0000-7000-8000-000000000000"}'
"""What `prepare_item` takes."""
Client = tuple[AsyncClient, Traces]


@pytest.fixture
async def traces(settings: Settings, engine: AsyncEngine) -> AsyncIterator[Traces]:
    """Of what a test does itself."""
    exporter = InMemorySpanExporter()
    trace_statements([engine.sync_engine])
    with settled():
        async with traces_recorded(settings, [SimpleSpanProcessor(exporter)]):
            yield Traces(exporter)


@pytest.fixture
async def traced(
    settings: Settings, bearer: Callable[..., dict[str, str]]
) -> AsyncIterator[Client]:
    quiet = settings.model_copy(update={"metrics_port": 0, "log_level": "error"})
    async with tracing_app(quiet, bearer("me")) as traced:
        yield traced


async def test_a_request_leads_from_its_route_down_to_its_statements(traced: Client) -> None:
    client, traces = traced
    await client.post("/catalog/items?q=1", json={"name": "a"}, headers={"traceparent": CALLER})
    asked = traces.one("POST /catalog/items")
    assert asked.kind is SpanKind.SERVER
    assert asked.attributes == {
        "module": "catalog",
        "url.scheme": "http",
        "http.request.method": "POST",
        "http.route": "/catalog/items",
        "http.response.status_code": 201,
    }
    assert asked.context
    assert (f"{asked.context.trace_id:032x}", parent_of(asked)) == ("a" * 32, int("b" * 16, 16))
    call = next(each for each in traces.spans() if each.kind is SpanKind.INTERNAL)
    assert call.name == "catalog.create_item"
    assert (call.attributes or {})["code.function.name"] == (
        "tests.platform.modules.catalog.service.CatalogService.create_item"
    )
    insert = traces.one("INSERT catalog.items")
    assert (parent_of(call), parent_of(insert)) == (id_of(asked), id_of(call))
    assert insert.kind is SpanKind.CLIENT
    told = dict(insert.attributes or {})
    assert str(told.pop("db.query.text")).startswith(
        "INSERT INTO catalog.items (id, owner, name, ready_at) VALUES ($1"
    )
    assert str(told.pop("db.namespace")).endswith("|catalog")
    assert told == {
        "module": "catalog",
        "db.system.name": "postgresql",
        "db.operation.name": "INSERT",
    }
    assert parent_of(traces.one("COMMIT")) == id_of(asked)
    assert len({each.context.trace_id for each in traces.spans() if each.context}) == 1


async def test_what_goes_wrong_is_told_of_each_span_it_passed(
    traces: Traces, engine: AsyncEngine
) -> None:
    begun = begin_trace(None, "all", SpanKind.SERVER, NOTHING)
    with pytest.raises(DBAPIError), span("part", {"size": 3}):
        async with Database(engine, "catalog").transaction() as tx:
            await tx.execute(text("SELECT 1 / :by"), {"by": 0})
    assert begun
    begun.end()
    failed, part, whole = traces.spans()
    assert failed.status.status_code is part.status.status_code is StatusCode.ERROR
    assert whole.status.status_code is StatusCode.UNSET
    assert (failed.attributes or {})["error.type"] == "22012"
    assert not failed.events
    assert (part.attributes or {})["size"] == 3
    [event] = part.events
    assert (event.attributes or {})["exception.type"] == "DBAPIError"


async def test_a_commit_that_nobody_answers_is_told(
    traces: Traces, engine: AsyncEngine, settings: Settings
) -> None:
    other = await asyncpg.connect(settings.database_url)
    begun = begin_trace(None, "all", SpanKind.SERVER, NOTHING)
    with pytest.raises(OutcomeUnknownError):
        async with Database(engine, "catalog").transaction() as tx:
            process = await tx.scalar(text("SELECT pg_backend_pid()"))
            await other.execute("SELECT pg_terminate_backend($1, 5000)", process)
    await other.close()
    assert begun
    commit = traces.one("COMMIT")
    assert (commit.status.status_code, parent_of(commit)) == (StatusCode.ERROR, begun.span_id)


async def test_an_error_of_the_domain_is_no_failure_and_what_it_says_is_for_its_caller(
    traces: Traces,
) -> None:
    begun = begin_trace(None, "all", SpanKind.SERVER, NOTHING)
    assert begun
    begun.end(DomainError("The name 'Ada' is taken."), expected=True)
    [told] = traces.spans()
    assert told.status.status_code is StatusCode.UNSET
    [event] = told.events
    assert (event.attributes or {})["exception.type"] == "DomainError"
    assert "Ada" not in told.to_json()


async def test_attempts_are_siblings_under_what_enqueued_them(
    settings: Settings, engine: AsyncEngine, wired: Wired, traces: Traces
) -> None:
    job = wired.jobs["catalog.prepare_item"]
    attempts: list[Place | None] = []

    async def fail_once(tx: Tx, _arguments: object) -> None:
        attempts.append(place.get())
        await tx.execute(text("SELECT 1"))
        if len(attempts) == 1:
            raise ValueError("not yet")

    begun = begin_trace(CALLER, "all", SpanKind.SERVER, NOTHING)
    async with Database(engine, "catalog").transaction() as tx:
        await enqueue(tx, [NewJob(job.name, ITEM)])
    assert begun
    begun.end()
    place.set(None)
    worker = Worker(settings, engine, {job.name: replace(job, function=fail_once)})
    with pytest.raises(ValueError, match="not yet"):
        await worker.run_due()
    async with connect_queue(settings) as queue:
        await queue.driver.execute("UPDATE queue.pgqueuer SET execute_after = now()")
        await recover(queue, 0)
    await worker.run_due()
    assert place.get() is None
    producer = traces.one(f"enqueue {job.name}")
    assert (producer.kind, parent_of(producer)) == (SpanKind.PRODUCER, begun.span_id)
    assert parent_of(traces.one("INSERT queue.pgqueuer")) == id_of(producer)
    first, second = (each for each in traces.spans() if each.name == f"run {job.name}")
    for number, (attempt, outcome) in enumerate(((first, "retried"), (second, "done"))):
        told = dict(attempt.attributes or {})
        assert isinstance(told.pop("job.id"), int)
        told.pop("error.type", None)
        assert told == {
            "module": "catalog",
            "job.name": job.name,
            "job.attempt": number + 1,
            "job.outcome": outcome,
        }
        assert (attempt.kind, parent_of(attempt)) == (SpanKind.CONSUMER, id_of(producer))
        assert attempt.context
        assert f"{attempt.context.trace_id:032x}" == "a" * 32
    assert first.status.status_code is StatusCode.ERROR
    assert second.status.status_code is StatusCode.UNSET
    ended = traces.one("DELETE queue.pgqueuer")
    assert parent_of(ended) == id_of(second)


async def test_what_the_clock_enqueues_has_one_trace_as_well(
    settings: Settings, engine: AsyncEngine, traces: Traces
) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        await enqueue(tx, [NewJob("catalog.prepare_item", ITEM)])
    assert place.get() is None
    async with connect_queue(settings) as queue:
        [row] = await queue.driver.fetch("SELECT headers FROM queue.pgqueuer")
    enqueued = traces.one("enqueue catalog.prepare_item")
    assert f"-{id_of(enqueued):016x}-01" in str(row["headers"])
    assert enqueued.parent is None


async def test_a_trace_that_its_caller_does_not_sample_has_no_spans(
    traced: Client, engine: AsyncEngine
) -> None:
    client, traces = traced
    await client.get("/catalog/items", headers={"traceparent": UNSAMPLED})
    assert traces.names() == []
    here = place.get()
    assert here
    assert here.trace_parent == UNSAMPLED


STRANGER, NEIGHBOUR = "203.0.113.7", "10.1.2.3"


@dataclass
class Asked:
    """What became of a request that names a trace and gives itself an id."""

    request_id: str
    trace_id: str
    parents: set[int | None]


async def ask(
    settings: Settings, traces: Traces, host: str, headers: dict[str, str], path: str = "open"
) -> Asked:
    router, engine = APIRouter(), create_engine(settings)

    @router.get("/open", openapi_extra=PUBLIC)
    @router.get("/closed")
    async def here() -> str:
        at = place.get()
        assert at
        return f"{at.trace_id:032x}"

    api = create_api({"probe": router}, None, settings, engine)  # type: ignore[arg-type]
    transport = ASGITransport(api, client=(host, 1))
    claims = {"traceparent": CALLER, "X-Request-ID": "claimed"}
    async with AsyncClient(transport=transport, base_url="http://app") as client:
        answer = await client.get(f"/probe/{path}", headers={**claims, **headers})
    trace_id = answer.json() if answer.status_code == 200 else ""
    return Asked(answer.headers["X-Request-ID"], trace_id, set(map(parent_of, traces.spans())))


@pytest.mark.parametrize("path", ["open", "closed"])
async def test_what_a_stranger_says_of_a_request_is_not_believed(
    settings: Settings, traces: Traces, path: str
) -> None:
    asked = await ask(settings, traces, STRANGER, {}, path)
    assert asked.request_id != "claimed"
    assert len(asked.request_id) == 32
    assert asked.trace_id != "a" * 32
    assert asked.parents == {None}


async def test_a_stranger_does_not_decide_what_is_recorded(
    settings: Settings, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_most", 0)
    assert (await ask(settings, traces, STRANGER, {})).parents == set()
    assert (await ask(settings, traces, "127.0.0.1", {})).parents == {int("b" * 16, 16)}


@pytest.mark.parametrize("path", ["open", "closed"])
async def test_what_is_said_by_somebody_who_is_known_is_believed(
    settings: Settings, traces: Traces, bearer: Callable[..., dict[str, str]], path: str
) -> None:
    asked = await ask(settings, traces, STRANGER, bearer("ada"), path)
    assert asked == Asked("claimed", "a" * 32, {int("b" * 16, 16)})


async def test_a_token_that_does_not_count_makes_nobody_known(
    settings: Settings, traces: Traces, bearer: Callable[..., dict[str, str]]
) -> None:
    forged = {"Authorization": bearer("ada")["Authorization"] + "x"}
    asked = await ask(settings, traces, STRANGER, forged)
    assert asked.request_id != "claimed"
    assert asked.parents == {None}


@pytest.mark.parametrize(
    ("allowed", "host", "is_believed"),
    [
        (None, "127.0.0.1", True),
        (None, NEIGHBOUR, False),
        ("10.0.0.0/8, 192.168.0.1", NEIGHBOUR, True),
        ("10.0.0.0/8, 192.168.0.1", "192.168.0.1", True),
        ("10.0.0.0/8, 192.168.0.1", "192.168.0.2", False),
        ("10.0.0.0/8", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("*", NEIGHBOUR, False),
        ("*", "127.0.0.1", False),
    ],
)
async def test_who_is_believed_without_a_token_is_a_setting(
    settings: Settings,
    traces: Traces,
    monkeypatch: pytest.MonkeyPatch,
    allowed: str | None,
    host: str,
    is_believed: bool,
) -> None:
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if allowed is not None:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", allowed)
    asked = await ask(settings, traces, host, {})
    assert (asked.request_id == "claimed") is is_believed
    assert (asked.trace_id == "a" * 32) is is_believed


@pytest.mark.parametrize(
    "given",
    [
        "",
        "nonsense",
        "00-" + "0" * 32 + "-" + "b" * 16 + "-01",
        "00-" + "a" * 32 + "-" + "0" * 16 + "-01",
        "ff-" + "a" * 32 + "-" + "b" * 16 + "-01",
        CALLER.upper(),
        CALLER + "-more",
    ],
)
async def test_a_trace_that_is_named_wrongly_counts_for_nothing(given: str, traces: Traces) -> None:
    begun = begin_trace(given, "all", SpanKind.SERVER, NOTHING)
    assert begun
    assert begun.parent is None
    assert f"{begun.trace_id:032x}" != "a" * 32


async def test_a_later_version_of_the_header_is_understood(traces: Traces) -> None:
    begun = begin_trace("01" + CALLER[2:] + "-more", "all", SpanKind.SERVER, NOTHING)
    assert begun
    assert begun.parent
    assert begun.parent.trace_parent == CALLER


async def test_the_probes_are_no_traces(traced: Client) -> None:
    client, traces = traced
    await client.get("/healthz", headers={"traceparent": CALLER})
    assert traces.names() == []
    assert place.get() is None


def test_as_many_traces_are_sampled_as_wanted() -> None:
    mine = Tracing()
    with mine.on(lambda _span, _ended: None, 0.25):
        sampled = sum(mine.is_sampled(number * 2**44) for number in range(2**20))
    assert sampled == 2**18
    with mine.on(lambda _span, _ended: None, 1):
        assert mine.is_sampled(2**64 - 1)
    with mine.on(lambda _span, _ended: None, 0):
        assert not mine.is_sampled(0)


async def test_nothing_is_a_span_where_nobody_wants_any(client: AsyncClient) -> None:
    await client.get("/catalog/items", headers={"traceparent": CALLER})
    here = place.get()
    assert here
    assert (here.trace_parent, here.is_recorded) == (CALLER, False)
    assert begin("part", SpanKind.INTERNAL, NOTHING) is None
    place.set(None)


async def test_a_number_leads_to_a_trace_that_is_behind_it(
    traced: Client, settings: Settings
) -> None:
    client, _traces = traced
    given = CALLER.replace("a", "c")
    await client.get("/catalog/items", headers={"traceparent": given})
    port = free_port()
    served = metrics_served(settings.model_copy(update={"metrics_port": port}), [])
    async with served, AsyncClient(timeout=60) as prometheus:
        accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
        told = await prometheus.get(f"http://127.0.0.1:{port}/metrics", headers=accept)
    led = [line for line in told.text.splitlines() if '# {trace_id="' + "c" * 32 in line]
    request, call = sorted(led, reverse=True)
    assert request.startswith("http_server_request_duration_seconds_bucket{")
    assert 'http_route="/catalog/items"' in request
    assert call.startswith("boundary_call_duration_seconds_bucket{")


def test_tracing_is_off_again() -> None:
    assert not tracing.is_on


async def test_a_fetch_that_is_cancelled_has_a_span(
    traces: Traces, engine: AsyncEngine, settings: Settings
) -> None:
    sleep = Prepared(select(func.pg_sleep(10)))
    begun = begin_trace(None, "all", SpanKind.SERVER, NOTHING)
    assert begun
    fetching = asyncio.create_task(Database(engine, "catalog").fetch(sleep))
    sent = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'pg_sleep'"
    watching = await asyncpg.connect(settings.database_url)
    async with asyncio.timeout(30):
        while len(await watching.fetch(sent)) < 2:  # This one as well.
            await asyncio.sleep(0.01)
    await watching.close()
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    begun.end()
    cut = traces.one("SELECT")
    assert (cut.attributes or {})["error.type"] == "CancelledError"
    assert cut.status.status_code is StatusCode.ERROR
