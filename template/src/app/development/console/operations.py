"""The operations to try: how to call each with curl, and a GET that the console sends by itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from time import perf_counter
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.development.issuer import DevelopmentIssuer
from app.platform.auth import Needs

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_LONGEST = 20_000
"""Characters of an answer that are shown."""
_EXAMPLES = {"integer": 1, "number": 1, "boolean": True}
_DEEPEST = 5


@dataclass(frozen=True)
class Operation:
    """A method of a path."""

    method: str
    path: str
    summary: str
    is_public: bool
    scopes: Sequence[str]
    """What the token must allow."""
    example: str | None
    """A body to send, JSON."""

    def curl(self, address: str) -> str:
        """Return the line that calls it, as a developer types it in the repository."""
        words = ["curl"]
        if self.method != "GET":
            words.append(f"-X {self.method}")
        if not self.is_public:
            scopes = "".join(f" --scope {scope}" for scope in self.scopes)
            words.append(f'-H "Authorization: Bearer $(.venv/bin/app token{scopes})"')
        if self.example is not None:
            words.append("-H 'Content-Type: application/json'")
            words.append("-d '" + self.example.replace("'", "'\\''") + "'")
        words.append(f"'{address}{self.path}'")
        return (" " if len(words) == 2 else " \\\n  ").join(words)


@dataclass(frozen=True)
class Answer:
    """What came back of a GET."""

    path: str
    status: int
    seconds: float
    body: str
    trace_id: str


def operations_of(api: FastAPI) -> dict[str, list[Operation]]:
    """Return what can be called, by module."""
    described = api.openapi()
    scopes = {
        (method, route.path_format or route.path): _scopes(route)
        for route in iter_route_contexts(api.routes)
        for method in route.methods or ()
    }
    found: dict[str, list[Operation]] = {}
    for path, operations in described["paths"].items():
        for method in _METHODS:
            if (operation := operations.get(method.lower())) is None:
                continue
            module = str(operation.get("tags", ["platform"])[0])
            found.setdefault(module, []).append(
                Operation(
                    method,
                    path,
                    operation.get("summary", ""),
                    operation.get("security") == [],
                    scopes.get((method, path), []),
                    _body(operation, described),
                )
            )
    return dict(sorted(found.items(), key=lambda each: (each[0] == "platform", each[0])))


async def send_get(api: FastAPI, path: str, scopes: Sequence[str]) -> Answer:
    """Send a GET to the application, with a token that allows all of it, and return its answer."""
    trace_id = token_hex(16)
    headers = {
        "Authorization": f"Bearer {DevelopmentIssuer().token('me', *scopes)}",
        "Traceparent": f"00-{trace_id}-{token_hex(8)}-01",
    }
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        begun = perf_counter()
        response = await client.get(path, headers=headers)
        seconds = perf_counter() - begun
    return Answer(path, response.status_code, seconds, _readable(response), trace_id)


def _readable(response: httpx.Response) -> str:
    try:
        said = json.dumps(response.json(), indent=2, ensure_ascii=False)
    except ValueError:
        said = response.text
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}\n…"


def _scopes(route: Any) -> list[str]:
    dependencies = getattr(route, "dependencies", None) or []
    return [each.dependency.scope for each in dependencies if isinstance(each.dependency, Needs)]


def _body(operation: Mapping[str, Any], described: Mapping[str, Any]) -> str | None:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    return json.dumps(_example(content["schema"], described, _DEEPEST), ensure_ascii=False)


def _example(schema: Mapping[str, Any], described: Mapping[str, Any], levels: int) -> Any:
    """Return a value that fits to a JSON schema, more or less: somebody will correct it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = described["components"]["schemas"][name]
    if "default" in schema:
        return schema["default"]
    if not levels:
        return None
    if some := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return _example(some[0], described, levels - 1)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        parts = schema.get("properties", {})
        return {name: _example(part, described, levels - 1) for name, part in parts.items()}
    if kind == "array":
        return [_example(schema.get("items", {}), described, levels - 1)]
    return _EXAMPLES.get(str(kind), "…")
