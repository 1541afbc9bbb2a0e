"""Errors as problem+json, whatever goes wrong."""

import asyncio
from collections.abc import Callable
from socket import gaierror

import pytest
from app.main import create_app
from app.platform.engine import OutcomeUnknownError, create_engine
from app.platform.errors import Conflict, DomainError, NotFound
from app.platform.http import create_api
from app.platform.settings import Settings
from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
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

    settings = Settings(
        environment="development", database_url="postgresql://app:secret@127.0.0.1:1/app"
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
        headers = {"X-Request-ID": "abc", **bearer("ada")}
        response = await client.get("/module-name/", headers=headers)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request-ID"] == "abc"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.json()["type"] == kind
    assert response.json()["status"] == status
    assert "secret" not in response.text


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
