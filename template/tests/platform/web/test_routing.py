"""A request meets the routes of its module, and no others."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from httpx import ASGITransport, AsyncClient
from prometheus_client import REGISTRY
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from app.platform.auth.principal import PUBLIC
from app.platform.database.engine import create_engine
from app.platform.settings.settings import Settings
from app.platform.web.http import create_api
from app.platform.wiring.moved_toml import Move

Bearer = Callable[..., dict[str, str]]
RENAMED = Move("rename", "order_flow", date(2026, 11, 30), "customer_orders")


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

    @router.post("/orders", status_code=201)
    async def place_order(body: dict[str, int], request: Request, response: Response) -> int:
        response.headers["Location"] = f"{request.url.path}/7"
        return body["lines"]

    router.include_router(nested, prefix="/lines")
    return router


def items() -> APIRouter:
    router = APIRouter()

    @router.get("/items/{id}", openapi_extra=PUBLIC)
    async def get_item(id: int) -> int:
        return id

    return router


def api(routers: Mapping[str, APIRouter], renames: Sequence[Move] = ()) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        yield

    settings = Settings(
        environment="development", database_url="postgresql://app:secret@127.0.0.1:1/app"
    )
    return create_api(routers, lifespan, settings, create_engine(settings), renames=renames)


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


@pytest.fixture
async def renamed() -> AsyncIterator[AsyncClient]:
    """A shop whose module for orders had another name in the release before."""
    shop = api({"customer_orders": orders(), "catalog": items()}, [RENAMED])
    async with AsyncClient(transport=ASGITransport(shop), base_url="http://shop") as client:
        yield client


async def test_a_module_answers_under_the_name_that_it_had(
    renamed: AsyncClient, bearer: Bearer
) -> None:
    answer = await renamed.post("/order-flow/orders", json={"lines": 3}, headers=bearer("ada"))
    assert (answer.status_code, answer.json()) == (201, 3)
    # Instances of the release before know this address, and no other.
    assert answer.headers["Location"] == "/order-flow/orders/7"
    assert answer.headers["Deprecation"] == "@1795996800"
    answer = await renamed.get("/order-flow/orders/7")  # Public, under that name as well.
    assert answer.json() == "http://shop/catalog/items/7"
    assert (await renamed.head("/order-flow/lines/7")).status_code == 200
    answer = await renamed.delete("/order-flow/orders", headers=bearer("ada"))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert (await renamed.post("/order-flow/orders", json={"lines": 3})).status_code == 401
    for path in ("/order-flow", "/order-flow/nothing", "/order_flow/lines/7"):
        assert (await renamed.get(path, headers=bearer("ada"))).status_code == 404
    assert "Deprecation" not in (await renamed.get("/customer-orders/lines/7")).headers


async def test_addresses_that_are_made_and_described_have_the_new_name_only() -> None:
    shop = api({"customer_orders": orders(), "catalog": items()}, [RENAMED])
    assert shop.url_path_for("get_order", id="7") == "/customer-orders/orders/7"
    assert shop.openapi() == api({"customer_orders": orders(), "catalog": items()}).openapi()


async def test_a_router_begins_once_and_is_the_same_under_both_names() -> None:
    begun: list[FastAPI] = []

    @asynccontextmanager
    async def begin(app: FastAPI) -> AsyncIterator[None]:
        begun.append(app)
        yield

    router = orders()
    router.lifespan_context = begin
    shop = api({"customer_orders": router}, [RENAMED])
    shop.dependency_overrides[default] = lambda: "another"
    async with (
        shop.router.lifespan_context(shop),
        AsyncClient(transport=ASGITransport(shop), base_url="http://shop") as client,
    ):
        for name in ("order-flow", "customer-orders"):
            assert (await client.get(f"/{name}/lines/7")).json() == "another"
    assert begun == [shop]


async def test_requests_under_the_old_name_count_for_the_module_and_say_so(
    renamed: AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    labels = {
        "module": "customer_orders",
        "http_route": "/customer-orders/lines/{id}",
        "http_request_method": "GET",
        "http_response_status_code": "200",
    }

    def count() -> float:
        return REGISTRY.get_sample_value("http_server_requests_total", labels) or 0

    before = count()
    with caplog.at_level(logging.INFO, "app.requests"):
        for name in ("order-flow", "customer-orders"):
            assert (await renamed.get(f"/{name}/lines/7")).status_code == 200
    assert count() == before + 2
    told = [each.context.get("module.former") for each in caplog.records]  # type: ignore[attr-defined]
    assert told == ["order_flow", None]


async def test_the_old_name_is_nobodys_once_the_rename_is_finished(
    client: AsyncClient, bearer: Bearer
) -> None:
    answer = await client.get("/order-flow/lines/7", headers=bearer("ada"))
    assert answer.status_code == 404
