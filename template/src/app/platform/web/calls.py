"""Calls of modules by other processes, past the door for people."""

from collections.abc import Callable

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.platform.web.error_handlers import HANDLERS
from app.platform.web.requests import believe

_PATH = "/_modules/"


class Calls:
    """Middleware that takes such calls to what answers them, which knows callers by signatures."""

    def __init__(self, app: ASGIApp, answer: Callable[[Callable[[Scope], None]], ASGIApp]) -> None:
        self._app = app
        self._answer = ExceptionMiddleware(answer(believe), HANDLERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_call = scope["type"] == "http" and scope["path"].startswith(_PATH)
        await (self._answer if is_call else self._app)(scope, receive, send)
