"""The operations to try, and how to call each with curl."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.development.console.person import Person
from app.platform.auth import Needs

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
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
    headers: Sequence[str] = ()
    """What it is told in headers of its own."""

    @property
    def name(self) -> str:
        """What no other operation is called."""
        return f"{self.method} {self.path}"

    def draft(self) -> "Draft":
        """Return a request to begin with: somebody will correct it."""
        return Draft(self, self.path, self.example or "", dict.fromkeys(self.headers, ""))


@dataclass(frozen=True)
class Draft:
    """A request as somebody fills it in."""

    operation: Operation
    path: str
    body: str
    headers: Mapping[str, str]

    def curl(self, address: str, person: Person | None = None) -> str:
        """Return the line that sends it, as a developer types it in the repository: as somebody, or
        as one who may just do this."""
        words = ["curl"]
        if self.operation.method != "GET":
            words.append(f"-X {self.operation.method}")
        if not self.operation.is_public:
            sender = person or Person("me", self.operation.scopes)
            words.append(f'-H "Authorization: Bearer $({sender.command()})"')
        for name, value in self.headers.items():
            words.append("-H " + _quoted(f"{name}: {value or '…'}"))
        if self.body:
            words.append("-H 'Content-Type: application/json'")
            words.append(f"-d {_quoted(_on_one_line(self.body))}")
        words.append(_quoted(address + self.path))
        return (" " if len(words) == 2 else " \\\n  ").join(words)


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
                    [
                        each["name"]
                        for each in operation.get("parameters", ())
                        if each["in"] == "header"
                    ],
                )
            )
    return dict(sorted(found.items(), key=lambda each: (each[0] == "platform", each[0])))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _on_one_line(body: str) -> str:
    try:
        return json.dumps(json.loads(body), ensure_ascii=False)
    except ValueError:
        return body


def _scopes(route: Any) -> list[str]:
    """Return what a route asks for, itself or in what it depends on."""
    found, waiting = [], [getattr(route, "dependant", None)]
    while waiting:
        if (each := waiting.pop()) is not None:
            found += [each.call.scope] if isinstance(each.call, Needs) else []
            waiting += each.dependencies
    return sorted({*found})


def _body(operation: Mapping[str, Any], described: Mapping[str, Any]) -> str | None:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    example = _example(content["schema"], described, _DEEPEST)
    return json.dumps(example, indent=2, ensure_ascii=False)


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
