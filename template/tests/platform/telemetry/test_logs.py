"""The log: one line each, on whose behalf, and nothing that is secret."""

import asyncio
import io
import json
import logging
import math
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import ResponseValidationError
from httpx import AsyncClient
from pydantic_core import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.auth.principal import PUBLIC
from app.platform.database.database import Database, Tx
from app.platform.jobs.queue import connect_queue, enqueue, NewJob
from app.platform.jobs.recovery import recover
from app.platform.jobs.worker import Worker
from app.platform.settings.settings import Settings
from app.platform.telemetry.context import bound, get_request, Place, place, speaking
from app.platform.telemetry.log_writer import LogWriter
from app.platform.telemetry.logs import configure_logs
from app.platform.web.http import create_api
from app.platform.wiring.wiring import Wired

Lines = Callable[[], list[dict[str, Any]]]
ITEM = b'{"id": "00000000-0000-7000-8000-000000000000"}'
"""What `prepare_item` takes."""
SECRETS = [
    "ada@example.org",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
    "hunter2-canary",
    "q=canary-query",
]
SENTENCES = [
    f"no such customer: {SECRETS[0]}",
    f"Authorization: Bearer {SECRETS[1]}",
    f"postgresql://app:{SECRETS[2]}@127.0.0.1:5432/app",
    f'{{"password": "{SECRETS[2]}"}}',
    f"GET https://shop.example.com/find?{SECRETS[3]}&{SECRETS[0]}",
]


@pytest.fixture
def stream(settings: Settings) -> Iterator[io.StringIO]:
    """What production prints."""
    stream = io.StringIO()
    configure_logs(settings.model_copy(update={"environment": "production"}), stream)
    yield stream
    for each in logging.getLogger().handlers[:]:
        if isinstance(each, LogWriter):
            logging.getLogger().removeHandler(each)
            each.close()
    for name in ("app", "uvicorn"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    def read() -> list[dict[str, Any]]:
        for each in logging.getLogger().handlers:
            each.flush()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    return read


def of(lines: Lines, logger: str) -> list[dict[str, Any]]:
    return [line for line in lines() if line["logger"] == logger]


async def test_a_request_is_one_line(client: AsyncClient, lines: Lines) -> None:
    id = (await client.post("/catalog/items", json={"name": "a"})).json()["id"]
    await client.get(f"/catalog/items/{id}?{SECRETS[3]}", headers={"X-Request-ID": "abc-1"})
    _, line = of(lines, "app.requests")
    assert line.pop("duration_ms") > 0
    assert line.pop("timestamp").endswith("+00:00")
    assert line.pop("service.version")
    assert line == {
        "event": "GET /catalog/items/{id} 200",
        "level": "info",
        "logger": "app.requests",
        "module": "catalog",
        "request_id": "abc-1",
        "user.id": "me",
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/catalog/items/{id}",
    }


async def test_what_was_refused_or_is_not_there_has_no_route(
    client: AsyncClient, lines: Lines
) -> None:
    await client.request("PURGE", "/nowhere/" + SECRETS[0])
    await client.get("/healthz")
    del client.headers["Authorization"]
    await client.get("/catalog/items")
    unknown, refused = of(lines, "app.requests")
    assert (unknown["event"], unknown["module"]) == ("_OTHER (no route) 404", "platform")
    assert (refused["event"], refused["module"]) == ("GET (no route) 401", "catalog")
    assert "user.id" not in refused
    assert not {"http.route"} & {*unknown, *refused}


async def test_an_error_of_the_server_is_told_with_its_request(
    settings: Settings, engine: AsyncEngine, lines: Lines
) -> None:
    router = APIRouter()

    @router.get("/boom/{id}", openapi_extra=PUBLIC)
    async def boom(id: str) -> None:
        raise RuntimeError(f"no such {SECRETS[0]}")

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        yield

    api = create_api({"catalog": router}, lifespan, settings, engine)
    bound_socket = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(api, log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve([bound_socket]))
    async with AsyncClient() as client:
        url = f"http://127.0.0.1:{bound_socket.getsockname()[1]}/catalog/boom/{SECRETS[2]}"
        answer = await client.get(f"{url}?{SECRETS[3]}", headers={"X-Request-ID": "abc-1"})
    server.should_exit = True
    await serving
    assert answer.status_code == 500
    trace, told = (line for line in lines() if line["level"] in ("warning", "error"))
    assert (told["level"], trace["level"]) == ("warning", "error")  # Counted as one error.
    assert told["event"] == "GET /catalog/boom/{id} 500"
    assert trace["exception.message"] == "no such [withheld]"
    for line in (told, trace):
        assert (line["module"], line["request_id"]) == ("catalog", "abc-1")
        assert not [secret for secret in SECRETS if secret in str(line)]


async def test_the_trace_of_the_caller_is_named(client: AsyncClient, lines: Lines) -> None:
    for parent in ("00-" + "a" * 32 + "-" + "b" * 16 + "-01", "00-" + "0" * 32 + "-x-01"):
        await client.get("/catalog/items", headers={"traceparent": parent})
    traced, other = of(lines, "app.requests")
    assert traced["trace_id"] == "a" * 32
    assert "trace_id" not in other


async def test_a_job_is_one_line_for_each_attempt(
    settings: Settings, engine: AsyncEngine, wired: Wired, lines: Lines
) -> None:
    async def speak(tx: Tx, _arguments: object) -> None:
        logging.getLogger("app.modules.catalog.jobs").info("said")

    name = "catalog.prepare_item"
    job = replace(wired.jobs[name], function=speak)
    async with Database(engine, "catalog").transaction() as tx:
        await enqueue(tx, [NewJob(name, ITEM), NewJob(name, b'{"x": 1}')])
    with pytest.raises(Exception, match="do not fit its code"):
        await Worker(settings, engine, {name: job}).run_due()
    done, held = sorted(of(lines, "app.jobs"), key=lambda line: line["job.outcome"])
    assert done.pop("duration_ms") > 0
    assert done.pop("job.id") < held["job.id"]
    del done["timestamp"], done["service.version"]
    assert done == {
        "event": "catalog.prepare_item done",
        "level": "info",
        "logger": "app.jobs",
        "module": "catalog",
        "job.name": name,
        "job.attempt": 1,
        "job.outcome": "done",
    }
    assert (held["level"], held["exception.type"]) == ("error", "ArgumentsError")
    [own] = of(lines, "app.modules.catalog.jobs")
    assert (own["module"], own["job.name"]) == ("catalog", name)


async def test_a_job_belongs_to_the_request_that_enqueued_it_at_every_attempt(
    settings: Settings, engine: AsyncEngine, wired: Wired, lines: Lines
) -> None:
    caller = Place(int("a" * 32, 16), int("b" * 16, 16), True)
    job = wired.jobs["catalog.prepare_item"]
    tries: list[object] = []

    async def fail_once(tx: Tx, _arguments: object) -> None:
        tries.append((get_request(), here.trace_parent if (here := place.get()) else None))
        await enqueue(tx, [NewJob("catalog.later", b"{}")])
        if len(tries) == 1:
            raise ValueError("not yet")

    with bound("ordering", request_id="abc-1"):
        token = place.set(caller)
        async with Database(engine, "catalog").transaction() as tx:
            await enqueue(tx, [NewJob(job.name, ITEM)])
        place.reset(token)
    with bound("ordering", request_id="another"):
        worker = Worker(settings, engine, {job.name: replace(job, function=fail_once)})
        with pytest.raises(ValueError, match="not yet"):
            await worker.run_due()
        async with connect_queue(settings) as queue:
            await queue.driver.execute("UPDATE queue.pgqueuer SET execute_after = now()")
            await recover(queue, 0)
        await worker.run_due()
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    assert tries == [("abc-1", parent)] * 2
    failed, done = of(lines, "app.jobs")
    assert (failed["job.outcome"], failed["job.attempt"]) == ("retried", 1)
    assert (done["job.outcome"], done["job.attempt"]) == ("done", 2)
    for line in (failed, done):
        assert (line["request_id"], line["trace_id"]) == ("abc-1", "a" * 32)
    async with connect_queue(settings) as queue:
        [later] = await queue.driver.fetch("SELECT headers FROM queue.pgqueuer")
    assert json.loads(later["headers"]) == {"request_id": "abc-1", "otel": {"traceparent": parent}}


async def test_what_is_logged_carries_what_is_bound(lines: Lines) -> None:
    with bound("billing", request_id="1"):
        structlog.stdlib.get_logger("app.worker").info("charged %s", "twice", order_id=7)
        logging.getLogger("app.worker").info("shipped", extra={"parcels": 2})
    structlog.stdlib.get_logger("app.modules.ordering.service").warning("late")
    logging.getLogger("sqlalchemy.pool").info("a library says only what is wrong")
    first, second, third = lines()
    assert (first["event"], first["order_id"], first["module"]) == ("charged twice", 7, "billing")
    assert (second["parcels"], second["request_id"]) == (2, "1")
    assert third["module"] == "ordering"
    assert speaking.get() == "platform"


@pytest.mark.parametrize("sentence", SENTENCES)
def test_no_line_holds_a_secret(sentence: str, stream: io.StringIO, lines: Lines) -> None:
    ours, theirs = structlog.stdlib.get_logger("app.canary"), logging.getLogger("uvicorn.error")
    ours.warning(sentence, seen=[sentence], nested={"deep": {"er": sentence}})
    theirs.error("Exception: %s", sentence, extra={"password": sentence, "password_": SECRETS[2]})
    try:
        try:
            raise KeyError(sentence)
        except KeyError as cause:
            raise ExceptionGroup(sentence, [ValueError(sentence)]) from cause
    except ExceptionGroup:
        ours.exception("failed")
        theirs.exception("failed")
    printed = json.dumps(lines())
    for secret in SECRETS:
        assert secret not in printed
    failed = lines()[-1]
    assert failed["exception.type"] == "ExceptionGroup"
    assert "KeyError" in failed["exception.stacktrace"]
    assert "ValueError" in failed["exception.stacktrace"]
    assert __file__.rpartition("/")[2] in failed["exception.stacktrace"]


def test_an_error_about_values_says_where_and_not_which(lines: Lines) -> None:
    canary = SECRETS[2]
    for error in (
        ValidationError.from_exception_data(
            "Body", [{"type": "int_type", "loc": ("name",), "input": canary}]
        ),
        ResponseValidationError([{"loc": ("body", "name"), "msg": "is wrong", "input": canary}]),
    ):
        logging.getLogger("app.canary").error("failed", exc_info=error)
    assert canary not in json.dumps(lines())
    assert [line["exception.message"] for line in lines()] == [
        "name: Input should be a valid integer",
        "body.name: is wrong",
    ]


async def test_a_line_that_cannot_be_formatted_says_so(lines: Lines) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    logging.getLogger("app.canary").warning("x", extra={"value": Broken()})
    logging.getLogger("app.canary").warning("%d left", "few")
    assert [line["event"] for line in lines()] == [
        "A line of app.canary could not be formatted: RuntimeError.",
        "%d left (its arguments do not fit: %d format: a real number is required, not str)",
    ]


def test_a_number_that_json_does_not_have_is_text(stream: io.StringIO, lines: Lines) -> None:
    logging.getLogger("app.canary").warning("x", extra={"rates": [math.inf, math.nan]})
    assert lines()[0]["rates"] == ["Infinity", "NaN"]
    assert '["Infinity","NaN"]' in stream.getvalue()


def test_development_is_readable(settings: Settings, stream: io.StringIO) -> None:
    stream.truncate(0)
    readable = io.StringIO()
    configure_logs(settings, readable)
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("app.canary").exception("failed", extra={"order_id": 7})
    for each in logging.getLogger().handlers:
        each.flush()
    first, *_, last = readable.getvalue().rstrip().splitlines()
    assert "failed" in first
    assert "order_id=7" in first
    assert "module=platform" in first
    assert last == "ValueError: no"
    assert "\x1b" not in readable.getvalue()
    assert not stream.getvalue()
