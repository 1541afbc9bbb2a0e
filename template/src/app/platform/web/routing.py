"""From a path to the module whose it is."""

from fastapi import APIRouter
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send


class ByModule:
    """Takes a request to the routes of the module that its path begins with, and tries no others.

    A router asks each of its routes in turn, so that a request would cost the more, the more modules
    there are. What belongs to none goes through the whole `router`.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._modules: dict[str, BaseRoute] = {}

    def add(self, first: str, module: BaseRoute) -> None:
        """Take what begins with `/first/` to the routes of a module, as the router includes them."""
        self._modules[first] = module

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        module = None
        if scope["type"] != "lifespan":
            module = self._modules.get(scope["path"][1:].partition("/")[0])
        if module is None:
            await self._router.app(scope, receive, send)
        else:
            scope["router"] = self._router  # By which routes find the addresses of others.
            await module.handle(scope, receive, send)
