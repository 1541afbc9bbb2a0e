"""Errors as problem+json, whatever goes wrong."""

import asyncio
import logging
from collections.abc import Callable
from socket import gaierror
from typing import Any

import pytest
from app.main import create_app
from app.platform.database import Database
from app.platform.engine import OutcomeUnknownError, create_engine
from app.platform.errors import Conflict, DomainError, NotFound
from app.platform.fetch import Prepared
from app.platform.http import create_api
from app.platform.settings import Settings
from fastapi import APIRouter, FastAPI, Request
from httpx import ASGITransport, AsyncClient
from sqlalchemy import String, bindparam, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.exceptions import HTTPException

Bearer = Callable[..., dict[str, str]]


class OrderGone(NotFound): ...


class NameTaken(Conflict): ...


class VATNumberWrong(DomainError): ...


class Refused(Exception):
    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


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
        (PoolTimeout(), 503, "about:blank"),
        (ConnectionRefusedError(), 503, "about:blank"),
        (gaierror(), 503, "about:blank"),
        (TimeoutError(), 503, "about:blank"),
        (HTTPException(499, "gone"), 499, "about:blank"),
        (DBAPIError("", {}, Refused("57014"), connection_invalidated=False), 503, "about:blank"),
        (DBAPIError("", {}, Refused("40P01"), connection_invalidated=False), 503, "about:blank"),
        (DBAPIError("", {}, Refused("53300"), connection_invalidated=True), 503, "about:blank"),
        (DBAPIError("", {}, Refused("22023"), connection_invalidated=True), 500, "about:blank"),
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
        (ConnectionRefusedError("nobody there"), "ConnectionRefusedError: nobody there"),
        (DBAPIError("SELECT 1", {}, Refused("40001")), "Refused: 40001"),
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


async def test_what_is_not_to_be_expected_reaches_the_server_with_its_traceback(
    bearer: Bearer, caplog: pytest.LogCaptureFixture
) -> None:
    transport = ASGITransport(api(RuntimeError("secret")))
    async with AsyncClient(transport=transport, base_url="http://app") as client:
        with pytest.raises(RuntimeError):
            await client.get("/module-name/", headers={"X-Request-ID": "abc", **bearer("ada")})
    assert caplog.messages == ["GET /module-name/ 500"]


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
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, POST")
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
