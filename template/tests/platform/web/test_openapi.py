"""What is told of the API: all of it, or what one module offers."""

import json
from collections.abc import Sequence
from typing import Any

from typer.testing import CliRunner

from app.cli import cli
from app.platform.web.openapi import describe_api
from app.platform.wiring.modules import ModuleFolder

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
