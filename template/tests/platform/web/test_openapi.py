"""What is told of the API: all of it, or what one module offers."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from httpx import AsyncClient
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from app.cli import cli
from app.platform.settings import application_description, application_name, Settings
from app.platform.web.http import create_api
from app.platform.web.openapi import describe_api
from app.platform.wiring.modules import ModuleFolder

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}

API: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "app", "version": "1", "description": "All of it."},
    "paths": {
        "/billing/charges": {
            "get": {"tags": ["billing"], "schema": {"$ref": "#/components/schemas/Page"}}
        },
        "/catalog/items": {
            "get": {"tags": ["catalog"], "schema": {"$ref": "#/components/schemas/Item"}}
        },
    },
    "components": {
        "schemas": {
            "Page": {"items": {"$ref": "#/components/schemas/Charge"}},
            "Charge": {"properties": {"parent": {"$ref": "#/components/schemas/Charge"}}},
            "Item": {},
        },
        "securitySchemes": {"bearer": {}},
    },
}


def test_a_modules_api_holds_its_own_paths_and_what_they_mention() -> None:
    own = describe_api(API, "billing")
    assert list(own["paths"]) == ["/billing/charges"]
    assert list(own["components"]["schemas"]) == ["Page", "Charge"]
    assert own["components"]["securitySchemes"] == {"bearer": {}}
    assert own["info"] == {"title": "billing", "version": "1"}
    assert API["info"]["title"] == "app"


def test_the_api_is_printed_without_a_database(folders: Sequence[ModuleFolder]) -> None:
    whole = CliRunner().invoke(cli, ["openapi"])
    assert {"/healthz", "/readyz"} <= set(json.loads(whole.stdout)["paths"])
    name = folders[0].name
    own = CliRunner().invoke(cli, ["openapi", "--module", name])
    assert all(path.startswith(f"/{name}/") for path in json.loads(own.stdout)["paths"])


def test_a_module_that_offers_nothing_is_one_sentence() -> None:
    refused = CliRunner().invoke(cli, ["openapi", "--module", "nothing"])
    assert refused.exit_code == 2
    assert "No module nothing has routes" in refused.output
    assert "Traceback" not in refused.output


class Invoice(BaseModel):
    number: int


@asynccontextmanager
async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
async def described(settings: Settings, engine: AsyncEngine) -> dict[str, Any]:
    """The description of an application whose routes ask, and refuse, in several ways."""
    router = APIRouter()

    @router.post("/invoices/{id}", responses={409: {"description": "It is paid."}})
    async def write(id: int, body: Invoice) -> None: ...

    @router.get("/invoices", responses={422: {"description": "No such month."}})
    async def read(month: int) -> None: ...

    released = settings.model_copy(update={"app_version": "1.4.2"})
    return create_api({"billing": router}, lifespan, released, engine).openapi()


def answers_of(api: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """What is said of each operation's answers, by operation and status."""
    return {
        (f"{method} {path}", status): answer
        for path, operations in api["paths"].items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
    }


async def test_the_api_bears_the_name_of_the_product_and_the_release(
    described: dict[str, Any],
) -> None:
    about = {"title": application_name(), "description": application_description()}
    assert all(about.values())
    assert described["info"] == {**about, "version": "1.4.2"}


async def test_what_a_route_only_names_is_told_as_a_problem_too(described: dict[str, Any]) -> None:
    found = answers_of(described)
    operations = {operation for operation, _ in found}
    assert operations == {"post /billing/invoices/{id}", "get /billing/invoices"}
    assert found["post /billing/invoices/{id}", "409"]["content"] == PROBLEM
    assert found["get /billing/invoices", "422"]["content"] == PROBLEM
    assert all(found[each, "4XX"]["content"] == PROBLEM for each in operations)
    assert "ValidationError" not in json.dumps(described)


async def test_every_operation_tells_what_is_wrong_as_a_problem(client: AsyncClient) -> None:
    api = (await client.get("/openapi.json")).json()
    wrong = {key: each for key, each in answers_of(api).items() if key[1][0] in "45"}
    operations = {operation for operation, _ in answers_of(api)}
    assert operations
    for status in ("4XX", "5XX"):
        assert {operation for operation, each in wrong if each == status} == operations
    assert {kind for each in wrong.values() for kind in each["content"]} == {*PROBLEM}
    assert "HTTPValidationError" not in json.dumps(api)


async def test_a_problem_is_told_as_it_is_described(client: AsyncClient) -> None:
    schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    told = (await client.get("/nowhere")).json()
    assert {*schemas["ProblemDetails"]["required"]} == {*told}
