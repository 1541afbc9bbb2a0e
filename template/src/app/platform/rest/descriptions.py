"""How OpenAPI describes errors, in the format of RFC 9457."""

from http.client import responses as phrases
from typing import Any

from app.platform.errors import DomainError, problem_type, Stale, status_of

NAME = "ProblemDetails"
"""What the schema is called in OpenAPI: RFC 9457's word, since a module may have problems of its own."""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "about:blank, or the name of a module's error"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "What is wrong where, in a request that does not have the expected form",
            "items": {
                "type": "object",
                "required": ["location", "detail"],
                "properties": {"location": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
CONTENT: dict[str, Any] = {
    "application/problem+json": {"schema": {"$ref": f"#/components/schemas/{NAME}"}}
}
"""The body of every error. One schema, so that a client that is made of it has one class."""


def problems(*kinds: type[DomainError]) -> dict[int | str, dict[str, Any]]:
    """Describe what a route refuses: `responses=problems(OrderNotFound, OrderNotOpen)`."""
    described: dict[int | str, dict[str, Any]] = {}
    for status in sorted({status_of(kind) for kind in kinds}):
        alike = [kind for kind in kinds if status_of(kind) == status]
        said = {
            problem_type(kind): (kind.__doc__ or kind.__name__).splitlines()[0] for kind in alike
        }
        described[status] = _described(status, said)
    if any(issubclass(kind, Stale) for kind in kinds):
        described[428] = _described(428, {"about:blank": "If-Match is missing."})
    return described


def _described(status: int, said: dict[str, str]) -> dict[str, Any]:
    # Examples, and no enum: the platform refuses as well, and says about:blank.
    examples = {
        kind: {
            "value": {"type": kind, "title": phrases[status], "status": status, "detail": detail}
        }
        for kind, detail in said.items()
    }
    content = {media: {**body, "examples": examples} for media, body in CONTENT.items()}
    return {"description": " ".join(said.values()), "content": content}
