"""How operations are called in the description of the API, from which clients are made."""

from collections.abc import Mapping

from fastapi import APIRouter, FastAPI
from httpx import AsyncClient

from app.platform.web.openapi import operation_ids


def router_of(*names: str) -> APIRouter:
    router = APIRouter()
    for number, name in enumerate(names):

        async def function() -> None: ...

        function.__name__ = name
        router.get(f"/{number}")(function)
    return router


def named(routers: Mapping[str, APIRouter]) -> list[str]:
    api = FastAPI()
    for module, router in routers.items():
        naming = operation_ids(routers)[module]
        api.include_router(router, prefix=f"/{module}", generate_unique_id_function=naming)
    return [path["get"]["operationId"] for path in api.openapi()["paths"].values()]


def test_an_operation_is_called_as_its_function() -> None:
    outer = APIRouter()
    outer.include_router(router_of("list_orders"))
    assert named({"ordering": outer, "b": router_of("get_b")}) == ["list_orders", "get_b"]


def test_two_modules_with_functions_of_one_name_bear_their_own_in_front() -> None:
    routers = {"a": router_of("list_items", "get_a"), "b": router_of("list_items")}
    assert named(routers) == ["a_list_items", "get_a", "b_list_items"]


def test_two_functions_of_one_name_in_a_module_are_told_apart_by_their_paths() -> None:
    found = named({"a": router_of("get", "get"), "b": router_of("get")})
    assert found[:2] == ["get_a_0_get", "get_a_1_get"]
    assert len({*found}) == 3


async def test_no_two_operations_of_the_application_have_one_name(client: AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    found = [each["operationId"] for path in paths.values() for each in path.values()]
    assert found
    assert len(found) == len({*found})
