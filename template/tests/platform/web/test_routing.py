"""A request meets the routes of its module, and no others."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from httpx import ASGITransport, AsyncClient
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from app.platform.auth.principal import PUBLIC
from app.platform.database.engine import create_engine
from app.platform.settings.settings import Settings
from app.platform.web.http import create_api

Bearer = Callable[..., dict[str, str]]


class Asked(BaseRoute):
    """A route that counts how often it is asked, and never fits."""

    def __init__(self) -> None:
        self.times = 0

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        self.times += 1
        return Match.NONE, {}


async def default() -> str:
    return "default"


def orders() -> APIRouter:
    router, nested = APIRouter(), APIRouter()

    @router.get("/orders/{id}", openapi_extra=PUBLIC)
    async def get_order(id: int, request: Request) -> str:
        return str(request.url_for("get_item", id=id))

    @nested.get("/{id}", openapi_extra=PUBLIC)
    async def get_line(id: int, chosen: str = Depends(default)) -> str:
        return chosen

    router.include_router(nested, prefix="/lines")
    return router


def items() -> APIRouter:
    router = APIRouter()

    @router.get("/items/{id}", openapi_extra=PUBLIC)
    async def get_item(id: int) -> int:
        return id

    return router


def api(routers: Mapping[str, APIRouter]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        yield

    settings = Settings(
        environment="development", database_url="postgresql://app:secret@127.0.0.1:1/app"
    )
    return create_api(routers, lifespan, settings, create_engine(settings))


@pytest.fixture
def shop() -> FastAPI:
    return api({"customer_orders": orders(), "catalog": items()})


@pytest.fixture
async def client(shop: FastAPI) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(transport=ASGITransport(shop), base_url="http://shop") as client:
        yield client


async def test_the_routes_of_other_modules_are_not_asked(bearer: Bearer) -> None:
    asked = Asked()
    others = APIRouter()
    others.routes.append(asked)
    shop = api({"catalog": items(), "accounting": others})
    async with AsyncClient(transport=ASGITransport(shop), base_url="http://shop") as client:
        response = await client.get("/catalog/items/1", headers=bearer("ada"))
    assert (response.status_code, asked.times) == (200, 0)


async def test_a_route_finds_the_address_of_another_module(client: AsyncClient) -> None:
    response = await client.get("/customer-orders/orders/7")
    assert response.json() == "http://shop/catalog/items/7"


async def test_a_router_inside_a_router_is_found_and_its_dependencies_can_be_replaced(
    shop: FastAPI, client: AsyncClient
) -> None:
    assert (await client.get("/customer-orders/lines/7")).json() == "default"
    shop.dependency_overrides[default] = lambda: "another"
    assert (await client.get("/customer-orders/lines/7")).json() == "another"


@pytest.mark.parametrize("path", ["/catalog", "/catalog/", "/catalog/items/1/", "/x/items/1"])
async def test_a_path_is_what_the_description_says_and_nothing_beside_it(
    client: AsyncClient, bearer: Bearer, path: str
) -> None:
    response = await client.get(path, headers=bearer("ada"))
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"
