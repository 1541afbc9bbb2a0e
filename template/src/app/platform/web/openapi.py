"""What the OpenAPI document says of errors, and of one of the modules."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.platform.web.problems import CONTENT, NAME, SCHEMA


def describe_problems(api: dict[str, Any]) -> None:
    """Say in an OpenAPI document how errors are told, also of those that a route has only named."""
    api.setdefault("components", {}).setdefault("schemas", {})[NAME] = SCHEMA
    for operations in api["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if status[0] in "45":
                    response.setdefault("content", CONTENT)


def describe_api(api: Mapping[str, Any], module: str) -> dict[str, Any]:
    """Return what an OpenAPI document says of one module, with the schemas that needs."""
    paths = {
        path: operations
        for path, operations in api["paths"].items()
        if any(module in operation.get("tags", ()) for operation in operations.values())
    }
    schemas = api.get("components", {}).get("schemas", {})
    needed: set[str] = set()
    missing = set(_references(paths))
    while missing:
        needed |= missing
        missing = set(_references([schemas[name] for name in missing])) - needed
    own = {name: schema for name, schema in schemas.items() if name in needed}
    info = {"title": module, "version": api["info"]["version"]}
    return {
        **api,
        "info": info,
        "paths": paths,
        "components": {**api["components"], "schemas": own},
    }


def _references(node: object) -> Iterator[str]:
    """Find the names of the schemas that a part of the document mentions."""
    if isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            yield reference.rpartition("/")[2]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _references(each)
