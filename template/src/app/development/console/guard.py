"""Who may open the console: a browser on this machine, and no page of another site through it."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Not `no-referrer`, with which browsers keep the origin of a form to themselves.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


class Guard:
    """Refuses what does not come from this machine, or was begun by another site."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if reason := refusal(scope):
            response = PlainTextResponse(f"{reason}\n", 403)
            await response(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)


def refusal(scope: Scope) -> str | None:
    """Return why a request for the console is refused, or None for one that is not."""
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if not _is_loopback((scope.get("client") or ("",))[0]):
        return "The console answers to this machine only."
    if not _is_loopback(_hostname(host)):
        # A name of somebody's can be made to lead here (DNS rebinding).
        return "The console answers at 127.0.0.1 and localhost only."
    if scope["method"] in ("GET", "HEAD"):
        return None
    came_from = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
    if came_from != (f"{scope['scheme']}://{host}", "same-origin"):
        return "The console takes orders from its own pages only."
    return None


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
