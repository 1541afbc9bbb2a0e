"""What is answered while the application does not start: why, in the words of the terminal."""

import traceback
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from app.development.console.guard import Guard
from app.development.console.pages import Pages

_FOLDER = Path(__file__).parent / "console"
_FILES = {f"/_dev/{name}": _FOLDER / name for name in ("style.css", "icon.svg", "failure.js")}


class Failure:
    """Answers every request with 503 and the reason; a browser, with a page that renews itself."""

    def __init__(self, error: BaseException) -> None:
        self.why = f"The application does not start: {explained(error)}"
        self.sql: str | None = getattr(error, "sql", None)
        """What waits to be read, where that is the reason."""
        self._trace = "".join(traceback.format_exception(error))
        self._page = Guard(self._show)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1011})
            return
        accepted = Headers(scope=scope).get("accept", "")
        if scope["path"] in _FILES or "text/html" in accepted:
            await self._page({**scope, "method": "GET"}, receive, send)
        else:
            await self._answer(accepted)(scope, receive, send)

    def _answer(self, accepted: str) -> Response:
        again = {"Retry-After": "1"}
        if "json" not in accepted:
            return PlainTextResponse(f"{self.why}\n", 503, again)
        body = {
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "detail": self.why,
        }
        return JSONResponse(body, 503, again, "application/problem+json")

    async def _show(self, scope: Scope, receive: Receive, send: Send) -> None:
        response: Response
        if file := _FILES.get(scope["path"]):
            response = FileResponse(file)
        else:
            values = {"why": self.why, "sql": self.sql, "trace": self._trace}
            response = Pages("", []).show("failure", values, 503)
        await response(scope, receive, send)


def explained(error: BaseException) -> str:
    """Return what `describe` says, or less where what that imports is what is broken."""
    try:
        from app.cli_errors import describe

        return describe(error)
    except Exception:
        return f"{type(error).__name__}: {error}."
