"""What Backstage is told of each module."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from app.development.catalog import (
    draw_catalog,
    entity_name,
    owner_reference,
    system_of,
)
from app.platform.wiring.modules import ModuleFolder

NOTHING: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "app", "version": "1"},
    "paths": {},
    "components": {"schemas": {}},
}


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
    drawn = draw_catalog("shop", folders, NOTHING)
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


async def test_a_release_changes_no_file(
    client: AsyncClient, folders: Sequence[ModuleFolder]
) -> None:
    api = (await client.get("/openapi.json")).json()
    later = {**api, "info": {**api["info"], "version": "1.4.2"}}
    assert draw_catalog("shop", folders, later) == draw_catalog("shop", folders, api)


def test_the_system_is_called_as_the_distribution(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "web-shop"\n')
    assert system_of(tmp_path) == "web-shop"
