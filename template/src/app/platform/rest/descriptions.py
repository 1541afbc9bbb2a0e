"""How OpenAPI describes errors, in the format of RFC 9457."""

from typing import Any

from app.platform.errors import DomainError, problem_type, Stale, status_of

PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "about:blank, or the name of a module's error"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


def problems(*kinds: type[DomainError]) -> dict[int | str, dict[str, Any]]:
    """Describe what a route refuses: `responses=problems(OrderNotFound, OrderNotOpen)`."""
    described: dict[int | str, dict[str, Any]] = {}
    for status in sorted({status_of(kind) for kind in kinds}):
        alike = [kind for kind in kinds if status_of(kind) == status]
        said = " ".join((kind.__doc__ or kind.__name__).splitlines()[0] for kind in alike)
        described[status] = _described(said, [problem_type(kind) for kind in alike])
    if any(issubclass(kind, Stale) for kind in kinds):
        described[428] = _described("If-Match is missing.", ["about:blank"])
    return described


def _described(said: str, types: list[str]) -> dict[str, Any]:
    # Examples, and no enum: the platform refuses as well, and says about:blank.
    kind = {"type": "string", "examples": types}
    schema = {**PROBLEM, "properties": {**PROBLEM["properties"], "type": kind}}
    return {"description": said, "content": {"application/problem+json": {"schema": schema}}}
