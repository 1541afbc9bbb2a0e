"""Error responses in the format of RFC 9457."""

from http.client import responses as phrases
from typing import Any

from fastapi.responses import JSONResponse

from app.platform.rest import CONTENT

DESCRIBED: dict[int | str, dict[str, Any]] = {
    f"{number}XX": {"description": "What is wrong", "content": CONTENT} for number in (4, 5)
}
"""How OpenAPI describes the errors of every route."""


def problem(status: int, detail: str, kind: str = "about:blank", **members: object) -> JSONResponse:
    """Return an error response: its status, what is wrong, and a URI for the kind of error."""
    body = {"type": kind, "title": phrases.get(status, "Error"), "status": status, "detail": detail}
    return JSONResponse(body | members, status, media_type="application/problem+json")


def later(detail: str, wait: int = 1) -> JSONResponse:
    """Return the response to a request of which nothing was done, and which may be tried again in so
    many seconds."""
    response = problem(503, detail)
    response.headers["Retry-After"] = str(wait)
    return response
