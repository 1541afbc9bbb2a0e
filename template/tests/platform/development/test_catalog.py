"""What Backstage is told of each module."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from typer.testing import CliRunner

from app.cli import cli
from app.development.catalog import (
    draw_catalog,
    entity_name,
    owner_reference,
    system_of,
)
from app.platform.web.openapi import describe_api
from app.platform.wiring.wiring import ModuleFolder

API: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "app", "version": "1"},
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
    assert own["info"]["title"] == "billing"
    assert API["info"]["title"] == "app"


@pytest.mark.parametrize(
    ("owner", "reference"),
    [
        ("@acme/payments", "group:payments"),
        ("@acme/shop/payments", "group:shop-payments"),
        ("@ada", "user:ada"),
    ],
)
def test_owners_are_called_as_backstage_calls_them(owner: str, reference: str) -> None:
    assert owner_reference(owner) == reference


def test_the_longest_names_are_cut_where_backstage_would_refuse_them() -> None:
    assert entity_name("shop", "billing") == "shop-billing"
    cut = entity_name("s" * 40, "m" * 30)
    assert len(cut) == 63
    assert cut.endswith(f"s-{'m' * 30}")


def test_a_module_without_routes_provides_nothing(folders: Sequence[ModuleFolder]) -> None:
    drawn = draw_catalog("shop", folders, {**API, "paths": {}})
    assert {path.name for path in drawn} == {"catalog-info.yaml"}
    assert not [content for content in drawn.values() if "API" in content or "---" in content]


async def test_every_module_says_whose_it_is_and_what_it_offers(
    client: AsyncClient, folders: Sequence[ModuleFolder]
) -> None:
    drawn = draw_catalog("shop", folders, (await client.get("/openapi.json")).json())
    assert {path.parent for path in drawn} == {folder.path for folder in folders}
    for folder in (each for each in folders if each.declaration.routes is not None):
        entities = drawn[folder.path / "catalog-info.yaml"]
        assert entities.count(f"owner: {owner_reference(folder.owner)}\n") == 2
        assert f"providesApis:\n    - shop-{folder.name}\n" in entities
        for other in folder.depends_on:
            assert f"    - component:shop-{other}\n" in entities
        described = json.loads(drawn[folder.path / "openapi.json"])
        assert all(path.startswith(f"/{folder.name}/") for path in described["paths"])


def test_the_system_is_called_as_the_distribution(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "web-shop"\n')
    assert system_of(tmp_path) == "web-shop"


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
