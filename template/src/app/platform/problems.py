"""Error responses in the format of RFC 9457."""

from http.client import responses as phrases

from fastapi.responses import JSONResponse


def problem(status: int, detail: str, kind: str = "about:blank", **members: object) -> JSONResponse:
    """Return an error response: its status, what is wrong, and a URI for the kind of error."""
    body = {"type": kind, "title": phrases.get(status, "Error"), "status": status, "detail": detail}
    return JSONResponse(body | members, status, media_type="application/problem+json")
