"""Errors as problem+json, whatever goes wrong."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from socket import gaierror
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Request
from fastapi import Response as HeadResponse
from fastapi.responses import StreamingResponse
from httpx import ASGITransport, AsyncClient, ConnectTimeout, Response
from sqlalchemy import bindparam, select, String, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.exceptions import HTTPException

from app.main import create_app
from app.platform.auth.principal import Caller, PUBLIC
from app.platform.database.database import Database, Tx
from app.platform.database.engine import create_engine
from app.platform.database.errors import OutcomeUnknownError, UnreachableError
from app.platform.database.fetch import Prepared
from app.platform.database.reading import Reading
from app.platform.errors import Conflict, DomainError, NotFound
from app.platform.settings.settings import Settings
from app.platform.web.http import create_api

Bearer = Callable[..., dict[str, str]]


class OrderGone(NotFound): ...


class NameTaken(Conflict): ...


class VATNumberWrong(DomainError): ...


class Refused(Exception):
    """As the driver raises it."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


def refused(sqlstate: str) -> DBAPIError:
    """As SQLAlchemy raises it."""
    adapted = Exception(sqlstate)
    adapted.__cause__ = Refused(sqlstate)
    return DBAPIError("", {}, adapted)


class Odd(Exception):
    """As a library of a module's own raises it."""


def api(error: Exception) -> FastAPI:
    router = APIRouter()

    @router.get("/")
    async def fail() -> None:
        raise error

    @router.post("/upload")
    async def upload(request: Request) -> int:
        return len(await request.body())

    settings = Settings(
        environment="development",
        database_url="postgresql://app:secret@127.0.0.1:1/app",
        cors_origins="https://shop.example.com",
    )
    return create_api({"module_name": router}, None, settings, create_engine(settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (OrderGone("gone"), 404, "urn:problem-type:order-gone"),
        (NameTaken("taken"), 409, "urn:problem-type:name-taken"),
        (VATNumberWrong("wrong"), 422, "urn:problem-type:vat-number-wrong"),
        (HTTPException(499, "gone"), 499, "about:blank"),
        (ExceptionGroup("", [OrderGone("gone")]), 404, "urn:problem-type:order-gone"),
        (ExceptionGroup("", [OrderGone("gone"), RuntimeError("secret")]), 500, "about:blank"),
        (OutcomeUnknownError("secret"), 500, "about:blank"),
        (RuntimeError("secret"), 500, "about:blank"),
    ],
)
async def test_an_error_becomes_a_problem(
    bearer: Bearer, error: Exception, status: int, kind: str
) -> None:
    transport = ASGITransport(api(error), raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://app") as client:
        headers = {"X-Request-ID": "abc", "Origin": "https://shop.example.com", **bearer("ada")}
        response = await client.get("/module-name/", headers=headers)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request-ID"] == "abc"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example.com"
    assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]
    assert response.json()["type"] == kind
    assert response.json()["status"] == status
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PoolTimeout("all are taken"), "TimeoutError: all are taken"),
        (UnreachableError("nobody there"), "UnreachableError: nobody there"),
        (refused("40001"), "Exception: 40001"),
    ],
)
async def test_what_is_to_be_expected_is_logged_in_one_line(
    bearer: Bearer, caplog: pytest.LogCaptureFixture, error: Exception, said: str
) -> None:
    async with AsyncClient(transport=ASGITransport(api(error)), base_url="http://app") as client:
        headers = {"X-Request-ID": "abc", **bearer("ada")}
        await client.get("/module-name/?email=ada@example.org", headers=headers)
    assert caplog.messages == ["GET /module-name/ 503"]
    assert vars(caplog.records[0])["exception.message"] == said
    assert not caplog.records[0].exc_info


async def test_what_is_not_to_be_expected_is_logged_with_its_traceback(
    bearer: Bearer, caplog: pytest.LogCaptureFixture
) -> None:
    error = RuntimeError("secret")
    async with AsyncClient(transport=ASGITransport(api(error)), base_url="http://app") as client:
        await client.get("/module-name/", headers={"X-Request-ID": "abc", **bearer("ada")})
    assert caplog.messages == ["Nobody has foreseen this error.", "GET /module-name/ 500"]
    assert [each.levelname for each in caplog.records] == ["ERROR", "WARNING"]
    assert caplog.records[0].exc_info
    assert caplog.records[0].exc_info[1] is error


LATER, NEVER = "Try again in a moment.", "Nothing was changed."
DATABASE = [
    (PoolTimeout(), LATER),
    (UnreachableError(), LATER),
    (ExceptionGroup("", [UnreachableError(), PoolTimeout()]), LATER),
    (refused("08006"), LATER),
    (refused("40001"), LATER),
    (refused("40P01"), LATER),
    (refused("53300"), LATER),
    (refused("55P03"), LATER),  # A lock that was not to be had in time.
    (refused("57P01"), LATER),
    (refused("25006"), LATER),  # Another server is the primary now.
    (refused("57014"), NEVER),  # Took too long.
    (refused("25P03"), NEVER),
    (refused("25P04"), NEVER),
    (refused("53100"), NEVER),  # The disk is full.
]


async def database_failing(
    engine: AsyncEngine,
    settings: Settings,
    bearer: Bearer,
    error: Exception,
    method: str,
    *,
    writes: bool,
) -> Response:
    """Ask something that writes, in a transaction of its own, before the database fails it."""
    router, database = APIRouter(), Database(engine, "catalog")

    @router.api_route("/", methods=["GET", "POST"])
    async def fail() -> None:
        if writes:
            async with asyncio.TaskGroup() as group:
                group.create_task(write())
        raise error

    async def write() -> None:
        async with database.transaction() as tx:
            await tx.execute(select(1))

    asked = create_api({"probe": router}, None, settings, engine)  # type: ignore[arg-type]
    async with AsyncClient(transport=ASGITransport(asked), base_url="http://app") as client:
        return await client.request(method, "/probe/", headers=bearer("ada"))


@pytest.mark.parametrize(("error", "said"), DATABASE)
async def test_who_may_ask_again_is_told_so_and_nobody_else(
    engine: AsyncEngine, settings: Settings, bearer: Bearer, error: Exception, said: str
) -> None:
    answer = await database_failing(engine, settings, bearer, error, "POST", writes=False)
    assert answer.status_code == 503
    assert answer.headers.get("Retry-After") == ("1" if said is LATER else None)
    assert answer.json()["detail"].endswith(said)


@pytest.mark.parametrize(("error", "said"), DATABASE)
async def test_nobody_is_told_that_nothing_was_done_where_something_was(
    engine: AsyncEngine, settings: Settings, bearer: Bearer, error: Exception, said: str
) -> None:
    answer = await database_failing(engine, settings, bearer, error, "POST", writes=True)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, None)
    assert answer.json()["detail"].endswith(
        "Part of the request was done: look before you try again."
    )
    read = await database_failing(engine, settings, bearer, error, "GET", writes=True)
    assert read.headers.get("Retry-After") == ("1" if said is LATER else None)


@pytest.mark.parametrize("state", ["08007", "40003"])
async def test_what_may_have_been_done_is_not_called_undone(
    engine: AsyncEngine, settings: Settings, bearer: Bearer, state: str
) -> None:
    answer = await database_failing(engine, settings, bearer, refused(state), "POST", writes=False)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (500, None)
    assert answer.json()["detail"].startswith("It is not known whether")


@pytest.mark.parametrize(
    ("others", "status", "said"),
    [
        ([refused("40001"), refused("08007")], 500, "It is not known whether"),
        ([OrderGone("gone"), refused("40003")], 500, "It is not known whether"),
        ([refused("40001"), refused("57014")], 503, "A statement took too long"),
        ([OrderGone("gone"), refused("40001")], 503, "The database could not do this just now"),
    ],
)
async def test_of_several_errors_the_gravest_is_told_in_whichever_order(
    engine: AsyncEngine,
    settings: Settings,
    bearer: Bearer,
    others: list[Exception],
    status: int,
    said: str,
) -> None:
    for order in (others, others[::-1]):
        error = ExceptionGroup("several", order)
        answer = await database_failing(engine, settings, bearer, error, "POST", writes=False)
        assert answer.status_code == status
        assert answer.json()["detail"].startswith(said)


async def test_what_is_no_exception_is_the_modules_own_failure(
    bearer: Bearer, caplog: pytest.LogCaptureFixture
) -> None:
    for error in (SystemExit(2), asyncio.CancelledError(), BaseExceptionGroup("", [SystemExit()])):
        transport = ASGITransport(api(error))  # type: ignore[arg-type]
        async with AsyncClient(transport=transport, base_url="http://app") as client:
            answer = await client.get("/module-name/", headers=bearer("ada"))
        assert answer.status_code == 500
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert caplog.messages == ["Nobody has foreseen this error.", "GET /module-name/ 500"] * 3


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError("secret"),
        ConnectionRefusedError("secret"),
        gaierror("secret"),
        ConnectTimeout("secret"),
        Odd("secret"),
        refused("23505"),
        refused("22023"),
        refused("42501"),
        ExceptionGroup("", [TimeoutError("secret")]),
        ExceptionGroup("", [PoolTimeout(), ConnectionResetError("secret")]),
    ],
)
async def test_what_a_module_raises_is_its_own_failure(
    bearer: Bearer, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncClient(transport=ASGITransport(api(error)), base_url="http://app") as client:
        answer = await client.get("/module-name/", headers=bearer("ada"))
    assert (answer.status_code, answer.headers.get("Retry-After")) == (500, None)
    assert "atabase" not in answer.text
    assert caplog.messages[-1] == "GET /module-name/ 500"


@pytest.fixture
def behind(engine: AsyncEngine, settings: Settings) -> FastAPI:
    """Routes whose transactions are opened elsewhere."""
    db, router = Database(engine, "catalog"), APIRouter()
    insert = text(
        "INSERT INTO catalog.items (id, owner, name) VALUES (gen_random_uuid(), 'ada', 'a')"
    )

    async def written() -> AsyncIterator[Tx]:
        async with db.transaction() as tx:
            await tx.execute(insert)
            yield tx

    async def read() -> AsyncIterator[Reading]:
        async with db.read() as reading:
            yield reading

    @router.post("/late", status_code=201)
    async def late(_tx: Annotated[Tx, Depends(written)]) -> None: ...

    @router.post("/streamed", status_code=201)
    async def streamed(_tx: Annotated[Tx, Depends(written)]) -> StreamingResponse:
        return StreamingResponse(parts())

    @router.post("/in-time", status_code=201)
    async def in_time(_tx: Annotated[Tx, Depends(written, scope="function")]) -> None: ...

    @router.post("/refused")
    async def refused(_tx: Annotated[Tx, Depends(written)]) -> None:
        raise HTTPException(409)

    @router.post("/background", status_code=201)
    async def background(tasks: BackgroundTasks) -> None:
        async def write() -> None:
            async with db.transaction() as tx:
                await tx.execute(insert)

        tasks.add_task(write)

    @router.get("/read")
    async def reads(reading: Annotated[Reading, Depends(read)]) -> int:
        return int(await reading.scalar(text("SELECT 1")))

    async def parts() -> AsyncIterator[str]:
        yield "a"

    return create_api({"catalog": router}, None, settings, engine)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "status", "rows"),
    [
        ("late", 500, 0),
        ("streamed", 500, 0),
        ("in-time", 201, 1),
        ("refused", 409, 0),
        ("background", 201, 1),
    ],
)
@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "a"}])
async def test_nobody_is_told_of_what_is_not_committed(
    behind: FastAPI,
    bearer: Bearer,
    engine: AsyncEngine,
    caplog: pytest.LogCaptureFixture,
    path: str,
    status: int,
    rows: int,
    key: dict[str, str],
) -> None:
    headers = {**bearer("ada"), **key}
    async with AsyncClient(transport=ASGITransport(behind), base_url="http://app") as client:
        answer = await client.post(f"/catalog/{path}", headers=headers)
        assert answer.status_code == status
        assert (await client.get("/catalog/read", headers=bearer("ada"))).status_code == 200
    async with Database(engine, "catalog").transaction() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM catalog.items")) == rows
    if status == 500:
        assert 'Depends(..., scope="function")' in caplog.text


async def test_an_upload_that_is_given_up_is_no_error(
    bearer: Bearer, caplog: pytest.LogCaptureFixture
) -> None:
    token = bearer("ada")["Authorization"].encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/module-name/upload",
        "query_string": b"",
        "headers": [(b"authorization", token), (b"content-length", b"9")],
    }
    received = iter(
        [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> Any:
        return next(received)

    async def send(message: object) -> None:
        raise AssertionError(message)

    with caplog.at_level(logging.INFO, "app"):
        await api(RuntimeError())(scope, receive, send)
    (told,) = caplog.records
    assert (told.levelname, told.getMessage()) == ("INFO", "POST /module-name/upload 499")


async def test_a_method_that_is_not_allowed_gets_those_that_are(client: AsyncClient) -> None:
    refused = await client.delete("/catalog/items")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert refused.headers["Content-Type"] == "application/problem+json"


async def test_a_full_pool_refuses_instead_of_waiting_for_ever(
    settings: Settings, bearer: Bearer
) -> None:
    busy = settings.model_copy(update={"database_pool_size": 1, "database_pool_timeout": 0.01})
    application = create_app(busy)
    async with (
        application.router.lifespan_context(application),
        AsyncClient(transport=ASGITransport(application), base_url="http://app") as client,
    ):
        client.headers.update(bearer("ada"))
        responses = await asyncio.gather(*(client.get("/catalog/items") for _ in range(30)))
        after = await client.get("/catalog/items")
    statuses = {response.status_code for response in responses}
    assert statuses == {200, 503}
    assert after.status_code == 200


async def test_a_value_that_postgres_cannot_store_is_refused(client: AsyncClient) -> None:
    response = await client.post("/catalog/items", json={"name": "a\0b"})
    assert response.status_code == 422


@pytest.mark.parametrize("path", ["fetched/a%00b", "read?name=a%00b"])
async def test_neither_does_it_reach_postgres_in_an_address(
    engine: AsyncEngine, settings: Settings, bearer: Bearer, path: str
) -> None:
    router = APIRouter()
    database = Database(engine, "catalog")
    echo = Prepared(select(bindparam("name", type_=String)))

    @router.get("/fetched/{name}")
    async def fetched(name: str) -> int:
        return len(await database.fetch(echo, name=name))

    @router.get("/read")
    async def read(name: str) -> str | None:
        async with database.transaction() as tx:
            return await tx.scalar(select(bindparam("name", name, String)))

    api = create_api({"probe": router}, None, settings, engine)  # type: ignore[arg-type]
    async with AsyncClient(transport=ASGITransport(api), base_url="http://app") as client:
        client.headers.update(bearer("ada"))
        refused = await client.get(f"/probe/{path}")
    assert refused.status_code == 422
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["detail"] == "A text holds a character that cannot be stored."


@pytest.mark.parametrize("value", ["a\nb", "a\r\nX-Evil: b", "a\0b"])
async def test_a_header_that_cannot_be_sent_is_an_error_that_is_told(
    bearer: Bearer, value: str
) -> None:
    error = HTTPException(404, "gone", {"X-Name": value})
    async with AsyncClient(transport=ASGITransport(api(error)), base_url="http://app") as client:
        answer = await client.get("/module-name/", headers=bearer("ada"))
    assert answer.status_code == 500
    assert "X-Name" not in answer.headers


def heads() -> FastAPI:
    router, nested = APIRouter(), APIRouter()

    @router.get("/items", openapi_extra=PUBLIC)
    async def items(caller: str = "nobody") -> list[str]:
        return ["a", caller]

    @router.post("/items")
    async def add() -> None: ...

    @router.get("/mine")
    async def mine(caller: Caller) -> str:
        return caller.id

    @router.post("/only-post")
    async def only_post() -> None: ...

    @router.get("/gone", include_in_schema=False)
    async def gone() -> None:
        raise OrderGone("gone")

    @router.get("/feed", openapi_extra=PUBLIC)
    async def feed() -> StreamingResponse:
        async def lines() -> AsyncIterator[bytes]:
            while True:
                yield b"more"
                await asyncio.sleep(0.01)

        return StreamingResponse(lines())

    @router.get("/restless", openapi_extra=PUBLIC)
    async def restless() -> StreamingResponse:
        async def lines() -> AsyncIterator[bytes]:
            while True:
                yield b"never waits"

        return StreamingResponse(lines())

    @router.head("/own")
    async def own_head() -> HeadResponse:
        return HeadResponse(headers={"X-Own": "yes"})

    @router.get("/own")
    async def own() -> str:
        return "own"

    @nested.get("/deep/{name}")
    async def deep(name: str) -> str:
        return name

    router.include_router(nested, prefix="/nested")
    settings = Settings(
        environment="development", database_url="postgresql://app:secret@127.0.0.1:1/app"
    )
    return create_api({"shop": router}, None, settings, create_engine(settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path",
    ["items", "items?caller=ada", "mine", "gone", "own", "nested/deep/a", "nowhere", "only-post"],
)
async def test_head_is_what_get_is_without_a_body(bearer: Bearer, path: str) -> None:
    async with AsyncClient(transport=ASGITransport(heads()), base_url="http://app/shop/") as client:
        for headers in ({}, bearer("ada")):
            get = await client.get(path, headers=headers)
            head = await client.head(path, headers=headers)
            assert head.status_code == get.status_code
            assert head.headers.get("X-Own") == ("yes" if path == "own" and headers else None)
            if path != "own":
                for name in ("Content-Length", "Content-Type", "Allow", "WWW-Authenticate"):
                    assert head.headers.get(name) == get.headers.get(name)
            assert head.content == b""


async def test_what_may_be_asked_of_a_path_is_told_with_head(bearer: Bearer) -> None:
    application = heads()
    async with AsyncClient(transport=ASGITransport(application), base_url="http://app") as client:
        client.headers.update(bearer("ada"))
        allowed = {
            path: (await client.request(method, f"/shop/{path}")).headers["Allow"]
            for path, method in (
                ("items", "DELETE"),
                ("items", "OPTIONS"),
                ("gone", "POST"),
                ("only-post", "HEAD"),
                ("nested/deep/a", "PUT"),
            )
        }
    assert allowed == {
        "items": "GET, HEAD, POST",
        "gone": "GET, HEAD",
        "only-post": "POST",
        "nested/deep/a": "GET, HEAD",
    }
    described = application.openapi()["paths"]
    assert [path for path, operations in described.items() if "head" in operations] == ["/shop/own"]


async def test_head_is_told_of_as_head(bearer: Bearer, caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncClient(transport=ASGITransport(heads()), base_url="http://app") as client:
        with caplog.at_level(logging.INFO, "app.requests"):
            await client.head("/shop/items", headers=bearer("ada"))
    assert caplog.messages == ["HEAD /shop/items 200"]


@pytest.mark.parametrize("path", ["/shop/feed", "/shop/restless"])
async def test_head_of_what_never_ends_comes_to_an_end(path: str) -> None:
    ended = asyncio.Event()
    sent: list[Any] = []

    async def receive() -> Any:
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            ended.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": "HEAD",
        "path": path,
        "query_string": b"",
        "headers": [],
    }
    async with asyncio.timeout(30):
        await heads()(scope, receive, send)
    assert [each["type"] for each in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 200
