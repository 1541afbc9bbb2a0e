"""From a path to the module whose it is."""

from datetime import datetime, UTC

from fastapi import APIRouter
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send

from app.platform.telemetry import add
from app.platform.wiring import Move


class ByModule:
    """Takes a request to the routes of the module that its path begins with, and tries no others.

    A router asks each of its routes in turn, so that a request would cost the more, the more modules
    there are. What belongs to none goes through the whole `router`.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._modules: dict[str, BaseRoute | _Former] = {}

    def add(self, first: str, module: BaseRoute) -> None:
        """Take what begins with `/first/` to the routes of a module, as the router includes them."""
        self._modules[first] = module

    def add_former(self, first: str, module: BaseRoute, rename: Move) -> None:
        """The same, for the name that a module had."""
        self._modules[first] = _Former(module, rename)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        module = None
        if scope["type"] != "lifespan":
            module = self._modules.get(scope["path"][1:].partition("/")[0])
        if module is None:
            await self._router.app(scope, receive, send)
        else:
            scope["router"] = self._router  # By which routes find the addresses of others.
            await module.handle(scope, receive, send)


class _Former:
    """The routes of a module under the name that it had: who asks is to learn that it goes."""

    def __init__(self, module: BaseRoute, rename: Move) -> None:
        self._module, self._name = module, rename.name
        since = datetime(rename.on.year, rename.on.month, rename.on.day, tzinfo=UTC)
        self._header = (b"deprecation", b"@%d" % since.timestamp())  # RFC 9745.

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        add(**{"module.former": self._name})

        async def send_deprecated(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), self._header]
            await send(message)

        await self._module.handle(scope, receive, send_deprecated)
