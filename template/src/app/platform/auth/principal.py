"""Who asks, as routes see it."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request

PUBLIC: dict[str, Any] = {"security": []}
"""Marks an operation that anyone may call: `@router.get("/prices", openapi_extra=PUBLIC)`.

That is how OpenAPI says it, so that what the API tells and what it does are the same."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sent a request: a person or a program that the issuer of tokens knows."""

    id: str
    """The token's `sub`: the same for as long as the issuer knows them, and nobody else's."""
    scopes: frozenset[str] = frozenset()
    """What the token allows."""


async def _caller(request: Request) -> Principal:
    principal: Principal | None = request.scope.get("principal")
    if principal is None:
        raise HTTPException(401, "A bearer token is needed.", {"WWW-Authenticate": "Bearer"})
    return principal


Caller = Annotated[Principal, Depends(_caller)]
"""Ask for it in a route, by type: `caller: Caller`."""


@dataclass(frozen=True)
class Needs:
    """Lets only those in whose token has a scope. See `needs`."""

    scope: str

    async def __call__(self, caller: Caller) -> None:
        if self.scope not in caller.scopes:
            challenge = f'Bearer error="insufficient_scope", scope="{self.scope}"'
            raise HTTPException(
                403, f"This needs the scope {self.scope}.", {"WWW-Authenticate": challenge}
            )


def needs(scope: str) -> Any:
    """Let only those in whose token has a scope: `dependencies=[needs("catalog:write")]`."""
    return Depends(Needs(scope))
