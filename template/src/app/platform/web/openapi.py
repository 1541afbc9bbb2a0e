"""What the OpenAPI document of the application says of one of its modules."""

from collections.abc import Iterator, Mapping
from typing import Any


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
    title = {**api["info"], "title": module}
    return {
        **api,
        "info": title,
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
