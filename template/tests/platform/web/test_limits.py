"""Limits: what is too large, too slow or too much is refused, and undone."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import asyncpg
import pytest
from fastapi import APIRouter, FastAPI, Request
from httpx import ASGITransport, AsyncClient

from app.main import create_app
from app.platform.database.engine import create_engine
from app.platform.settings.settings import Settings
from app.platform.timeouts import until
from app.platform.web.http import create_api
from app.platform.web.limits import Limits

Bearer = Callable[..., dict[str, str]]
JSON = {"Content-Type": "application/json"}
SETTINGS = Settings(
    environment="development",
    database_url="postgresql://app:secret@127.0.0.1:1/app",
    request_body_limit=100,
    request_concurrency=3,
)
HASTY = SETTINGS.model_copy(update={"request_timeout": 0.8, "database_statement_timeout": 0.8})


def api(settings: Settings = SETTINGS) -> FastAPI:
    router = APIRouter()

    @router.post("/echo")
    async def echo(body: list[int]) -> int:
        return len(body)

    @router.get("/wait")
    async def wait(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    @router.api_route("/slow", methods=["GET", "POST"])
    @router.api_route("/slow/read", methods=["GET", "POST"])
    async def slow(request: Request) -> None:
        if request.url.path.endswith("read"):
            await request.body()
        await asyncio.sleep(10)

    @router.post("/unread")
    async def unread() -> None:
        await asyncio.sleep(60)

    return create_api({"limited": router}, None, settings, create_engine(settings))  # type: ignore[arg-type]


@pytest.fixture
async def client(bearer: Bearer) -> AsyncIterator[AsyncClient]:
    transport = ASGITransport(api(), raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://app/limited") as client:
        client.headers.update(bearer("ada"))
        yield client


@pytest.fixture
async def hasty(bearer: Bearer) -> AsyncIterator[AsyncClient]:
    """A client of an application that gives requests little time."""
    transport = ASGITransport(api(HASTY), raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://app/limited") as client:
        client.headers.update(bearer("ada"))
        yield client


async def chunks(count: int, pause: float = 0) -> AsyncIterator[bytes]:
    yield b"["
    for _ in range(count):
        await asyncio.sleep(pause)
        yield b"1,"
    yield b"1]"


async def test_a_body_within_the_limit_passes(client: AsyncClient) -> None:
    assert (await client.post("/echo", json=[1] * 20)).json() == 20
    in_chunks = await client.post("/echo", content=chunks(20), headers=JSON)
    assert in_chunks.json() == 21


async def test_a_body_that_says_it_is_too_large_is_not_read(client: AsyncClient) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("was read")
        yield b""

    refused = await client.post("/echo", content=never(), headers={"Content-Length": "101"})
    assert (refused.status_code, refused.json()["detail"]) == (
        413,
        "The body is larger than 100 bytes.",
    )
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["X-Request-ID"]


async def test_a_body_that_grows_too_large_is_refused_while_it_grows(client: AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 10
            yield b"1" * 10

    assert (await client.post("/echo", content=endless())).status_code == 413
    assert sent == 110


async def test_a_body_that_does_not_come_is_given_up(hasty: AsyncClient) -> None:
    refused = await hasty.post("/echo", content=chunks(20, pause=0.2))
    assert (refused.status_code, refused.json()["detail"]) == (
        408,
        "The body did not arrive within 0.8 seconds.",
    )


async def late(pause: float) -> AsyncIterator[bytes]:
    yield b"["
    await asyncio.sleep(pause)
    yield b"1]"


async def nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def test_a_slow_handler_is_one_whatever_the_body(bearer: Bearer) -> None:
    many = SETTINGS.model_copy(update={"request_concurrency": 100, "request_timeout": 2})
    transport = ASGITransport(api(many))
    async with AsyncClient(transport=transport, base_url="http://app/limited") as client:
        client.headers.update({**JSON, **bearer("ada")})
        answers = await asyncio.gather(
            *(
                client.request(method, path, content=body)
                for method in ("POST", "GET")
                for path in ("/slow", "/slow/read")
                for body in (None, b"", b"[1]", chunks(2), nothing(), late(0.01))
            )
        )
    assert {answer.status_code for answer in answers} == {503}
    assert all("took too long" in answer.json()["detail"] for answer in answers)


async def test_a_body_that_nobody_reads_is_not_missed(hasty: AsyncClient) -> None:
    async with asyncio.timeout(30):
        refused = await hasty.post("/unread", content=late(60))
    assert refused.status_code == 503


async def test_a_request_that_takes_too_long_is_given_up(hasty: AsyncClient) -> None:
    refused = await hasty.get("/wait", params={"seconds": 10})
    assert refused.status_code == 503
    assert "took too long" in refused.json()["detail"]


async def test_more_at_once_are_refused_early(client: AsyncClient) -> None:
    waiting = (client.get("/wait", params={"seconds": 0.4}) for _ in range(10))
    statuses = [response.status_code for response in await asyncio.gather(*waiting)]
    assert sorted(statuses) == [200] * 3 + [503] * 7
    assert (await client.get("/wait", params={"seconds": 0})).status_code == 200


async def test_what_a_request_did_is_undone_when_it_is_given_up(
    settings: Settings, bearer: Bearer
) -> None:
    api = create_app(settings.model_copy(update={"request_timeout": 1.0}))
    patient = create_app(settings)
    other = await asyncpg.connect(settings.database_url)
    async with (
        AsyncClient(transport=ASGITransport(api), base_url="http://app") as client,
        AsyncClient(transport=ASGITransport(patient), base_url="http://app") as later,
        api.router.lifespan_context(api),
        patient.router.lifespan_context(patient),
    ):
        later.headers.update(bearer("me"))
        client.headers.update(bearer("me"))
        async with other.transaction():
            await other.execute("SET LOCAL ROLE app_test__catalog")
            await other.execute(
                "INSERT INTO catalog.items (owner, id, name) VALUES ('me', $1, 'a')", uuid4()
            )
            # The index makes the second of the same name wait for the first.
            refused = await client.post("/catalog/items", json={"name": "a"})
            assert refused.status_code == 503
        items = (await later.get("/catalog/items")).json()["items"]
        assert [item["name"] for item in items] == ["a"]
    await other.close()


async def test_a_request_has_any_time_while_a_debugger_is_attached(hasty: AsyncClient) -> None:
    before = sys.gettrace()
    try:
        sys.settrace(lambda *_: None)
        looked_at = await hasty.get("/wait", params={"seconds": 1.2})
    finally:
        sys.settrace(before)
    assert looked_at.status_code == 200
    assert (await hasty.get("/wait", params={"seconds": 1.2})).status_code == 503


def test_what_pdb_has_let_go_of_counts_as_looked_at() -> None:
    code = (
        "from app.platform.web.limits import is_debugged\n"
        "print(is_debugged())\n"
        "breakpoint()\n"
        "print(is_debugged())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input="continue\n", capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False")
    assert done.stdout.endswith("True\n")


async def test_health_is_answered_however_busy_it_is(settings: Settings) -> None:
    busy = create_app(settings.model_copy(update={"request_concurrency": 1}))
    async with AsyncClient(transport=ASGITransport(busy), base_url="http://app") as client:
        both = (client.get("/healthz") for _ in range(5))
        assert {each.status_code for each in await asyncio.gather(*both)} == {200}


async def test_no_page_of_another_site_may_use_the_answers(client: AsyncClient) -> None:
    answer = await client.get("/wait", params={"seconds": 0}, headers={"Origin": "http://evil"})
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_who_calls_other_processes_knows_how_long_a_request_has() -> None:
    left: list[float] = []

    async def note(_scope: object, _receive: object, _send: object) -> None:
        left.append(until.get() - asyncio.get_running_loop().time())

    limits = Limits(note, Settings(database_url="postgresql://a@127.0.0.1:1/a", request_timeout=30))
    await limits({"type": "http", "path": "/", "headers": []}, None, None)  # type: ignore[arg-type]
    assert 0 < left[0] <= 30
    assert until.get() == float("inf")
