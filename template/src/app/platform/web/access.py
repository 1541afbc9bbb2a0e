"""The door: nobody comes in without a token, unless to what is public, and nobody too often."""

import logging
import math
from collections import Counter
from collections.abc import Sequence
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from fastapi.routing import iter_route_contexts, RouteContext
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from app.platform.auth import InvalidTokenError, IssuerUnreachableError, Principal
from app.platform.settings import is_for_development, Settings, SettingsError, user_agent
from app.platform.telemetry import add
from app.platform.web.limits import PROBES
from app.platform.web.problems import later, problem
from app.platform.web.rate_limit import Rates
from app.platform.web.requests import believe

if TYPE_CHECKING:
    from app.platform.auth import Tokens

logger = logging.getLogger("app.access")


def create_tokens(settings: Settings) -> "Tokens":
    """Return what verifies tokens. Raises SettingsError where no issuer is named, unless this is a
    developer's machine, which has one of its own."""
    from app.platform.auth import RemoteIssuer, Tokens  # Slow to import.

    if settings.oidc_issuer and settings.oidc_audience:
        issuer = RemoteIssuer(settings.oidc_issuer, user_agent(settings.app_version))
        return Tokens(issuer, settings.oidc_audience, settings.oidc_clients.split())
    if not settings.is_development:
        raise SettingsError(
            "OIDC_ISSUER: is not set, so nobody could be let in: name the OpenID Connect issuer "
            "whose tokens count, and in OIDC_AUDIENCE whom they must be for"
        )
    if not is_for_development():  # Nobody may sign for what is deployed.
        raise SettingsError(
            "ENVIRONMENT: is development, but this is an installation for production: unset it, and "
            "name the issuer whose tokens count in OIDC_ISSUER"
        )
    issuer = resolve_name("app.development.issuer:DevelopmentIssuer")()
    return Tokens(issuer, issuer.audience)


class Access:
    """Middleware that says who asks, in `scope["principal"]`, and refuses whom it does not know.

    It stands before the routes, so that nothing of a refused request is read, and no kind of route
    can be forgotten.
    """

    def __init__(
        self, app: ASGIApp, tokens: "Tokens", rates: Rates, at_once: int, pages: Sequence[str]
    ) -> None:
        self._app, self._tokens, self._rates, self._at_once = app, tokens, rates, at_once
        self._open = frozenset((*PROBES, *pages))
        self._running: Counter[str] = Counter()
        """How many requests of each caller run now."""
        self._routes: list[RouteContext] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"] in self._open:
            await self._app(scope, receive, send)
            return
        caller, refusal = await self._admit(scope)
        if refusal is None:
            self._running[caller] += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._running[caller] -= 1
                if not self._running[caller]:
                    del self._running[caller]
        elif scope["type"] == "http":
            await refusal(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _admit(self, scope: Scope) -> tuple[str, Response | None]:
        """Return who counts as the caller, and what to answer where they may not come in."""
        principal, refusal = None, None
        try:
            principal = await self._principal(scope)
        except InvalidTokenError as error:
            kind = type(error.__cause__ or error).__name__
            logger.info("The token was refused: %s (%s)", error, kind)
            refusal = _unauthenticated(str(error), ' error="invalid_token"')
            scope["refused"] = "authentication"
        except IssuerUnreachableError as error:
            if not self._is_public(scope):
                said = f"The issuer of tokens is not reachable. Try again in {error.wait} s."
                refusal = later(said, error.wait)
                scope["refused"] = "issuer"
        else:
            if principal is None and not self._is_public(scope):
                refusal = _unauthenticated("A bearer token is needed.")
                scope["refused"] = "authentication"
        caller = f"id {principal.id}" if principal else (scope.get("client") or ("",))[0]
        if wait := self._rates.wait(caller):
            refusal = _too_many("Too many requests came from you. Send them more slowly.", wait)
            scope["refused"] = "rate"
        elif refusal is None and self._running[caller] >= self._at_once:
            refusal = _too_many("Too many requests of yours run at once. Wait for some.", 1)
            scope["refused"] = "concurrency"
        scope["principal"] = principal
        if principal is not None:
            believe(scope)
            add(**{"user.id": principal.id})
        return caller, refusal

    async def _principal(self, scope: Scope) -> Principal | None:
        """Return who a request's token speaks for, or None where it has none."""
        for name, value in scope["headers"]:
            if name == b"authorization":
                scheme, _, token = value.decode("latin-1").partition(" ")
                if scheme.lower() == "bearer":
                    return await self._tokens.principal(token.strip())
        return None

    def _is_public(self, scope: Scope) -> bool:
        """Say whether the route that will answer is marked: the first that fits, as in the router."""
        if not self._routes:
            self._routes = list(iter_route_contexts(scope["app"].routes))
        for route in self._routes:
            if route.matches(scope)[0] is Match.FULL:
                described = getattr(route, "openapi_extra", None) or {}
                return bool(described.get("security") == [])
        return False


def _too_many(detail: str, wait: float) -> Response:
    response = problem(429, detail)
    response.headers["Retry-After"] = str(math.ceil(wait))
    return response


def _unauthenticated(detail: str, more: str = "") -> Response:
    response = problem(401, detail)
    response.headers["WWW-Authenticate"] = f"Bearer{more}"
    return response
