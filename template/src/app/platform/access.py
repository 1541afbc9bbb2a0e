"""The door: nobody comes in without a token, unless to what is public, and nobody too often."""

import math
import re
from collections.abc import Sequence

from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from app.platform.development_issuer import AUDIENCE, DevelopmentIssuer
from app.platform.issuer import IssuerUnreachableError, RemoteIssuer
from app.platform.limits import PROBES
from app.platform.principal import Principal
from app.platform.problems import later, problem
from app.platform.rates import Rates
from app.platform.settings import Settings, SettingsError
from app.platform.tokens import InvalidTokenError, Tokens


def create_tokens(settings: Settings) -> Tokens:
    """Return what verifies tokens. Raises SettingsError in production where no issuer is named."""
    if settings.oidc_issuer and settings.oidc_audience:
        return Tokens(RemoteIssuer(settings.oidc_issuer), settings.oidc_audience)
    if not settings.is_development:
        raise SettingsError(
            "OIDC_ISSUER: is not set, so nobody could be let in: name the OpenID Connect issuer "
            "whose tokens count, and in OIDC_AUDIENCE whom they must be for"
        )
    return Tokens(DevelopmentIssuer(), AUDIENCE)


class Access:
    """Middleware that says who asks, in `scope["principal"]`, and refuses whom it does not know.

    It stands before the routes, so that nothing of a refused request is read, and no kind of route
    can be forgotten.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, rates: Rates, pages: Sequence[str]) -> None:
        self._app, self._tokens, self._rates = app, tokens, rates
        self._open = frozenset((*PROBES, *pages))
        self._public: list[tuple[str, re.Pattern[str]]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "lifespan"
            or scope["path"] in self._open
            or (refusal := await self._refusal(scope)) is None
        ):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await refusal(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _refusal(self, scope: Scope) -> Response | None:
        principal, refusal = None, None
        try:
            principal = await self._principal(scope)
        except InvalidTokenError as error:
            refusal = _unauthenticated(str(error), ' error="invalid_token"')
            scope["refused"] = "authentication"
        except IssuerUnreachableError:
            scope["refused"] = "issuer"
            refusal = later("The issuer of tokens is not reachable. Try again in a moment.")
        else:
            if principal is None and not self._is_public(scope):
                refusal = _unauthenticated("A bearer token is needed.")
                scope["refused"] = "authentication"
        address = (scope.get("client") or ("",))[0]
        if wait := self._rates.wait(f"id {principal.id}" if principal else address):
            scope["refused"] = "rate"
            refusal = problem(429, "Too many requests came from you. Send them more slowly.")
            refusal.headers["Retry-After"] = str(math.ceil(wait))
        scope["principal"] = principal
        if principal is not None:
            bind_contextvars(**{"user.id": principal.id})
        return refusal

    async def _principal(self, scope: Scope) -> Principal | None:
        """Return who a request's token speaks for, or None where it has none."""
        for name, value in scope["headers"]:
            if name == b"authorization":
                scheme, _, token = value.decode("latin-1").partition(" ")
                if scheme.lower() == "bearer":
                    return await self._tokens.principal(token.strip())
        return None

    def _is_public(self, scope: Scope) -> bool:
        """Say whether the description of the API says of an operation that it needs no security."""
        if self._public is None:
            self._public = [
                (method, compile_path(path)[0])
                for path, operations in scope["app"].openapi()["paths"].items()
                for method, operation in operations.items()
                if operation.get("security") == []
            ]
        method = scope.get("method", "").lower()
        return any(
            method == each and pattern.match(scope["path"]) for each, pattern in self._public
        )


def _unauthenticated(detail: str, more: str = "") -> Response:
    response = problem(401, detail)
    response.headers["WWW-Authenticate"] = f"Bearer{more}"
    return response
