"""What the OpenAPI document says: how operations are called, of errors, and of one module."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.utils import generate_unique_id

from app.platform.rest import CONTENT, NAME, SCHEMA


def operation_ids(routers: Mapping[str, APIRouter]) -> dict[str, Callable[[APIRoute], str]]:
    """Return, by module, what names its operations: each is called as its function, `list_orders`.

    Where two modules have one of a name, that of the module comes first, `catalog_list_items`; two
    in one module are called as FastAPI calls them, by their paths.
    """
    names = {
        module: Counter(route.name for route in iter_route_contexts(router.routes))
        for module, router in routers.items()
    }
    everywhere = Counter(name for own in names.values() for name in own)

    def naming(module: str) -> Callable[[APIRoute], str]:
        def name_of(route: APIRoute) -> str:
            if names[module][route.name] > 1:
                return generate_unique_id(route)
            is_alone = everywhere[route.name] == 1
            return route.name if is_alone else f"{module}_{route.name}"

        return name_of

    return {module: naming(module) for module in routers}


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
