"""The issuer of tokens, and the public keys it signs with: fetched, kept, and fetched again.

An issuer changes its keys now and then, and publishes the next one before it signs with it. So keys
that are a few minutes old are renewed beside the requests, which never wait for it; only a key that
nobody has seen yet is waited for, and looked for so seldom that made-up key ids do no harm.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Protocol, TYPE_CHECKING

import jwt

from app.platform.auth.errors import IssuerUnreachableError
from app.platform.telemetry import cause

if TYPE_CHECKING:
    from app.platform.auth.issuer_keys import Keys

logger = logging.getLogger("app.issuer")

ALGORITHMS = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
)
"""Only those with which whoever can verify cannot sign."""
_RENEWED = 300.0
"""Seconds after which the keys are fetched again."""
_OUTDATED = 86_400.0
"""Seconds for which keys are good when the issuer does not answer."""
_PAUSE = 10.0
"""Seconds between two attempts to fetch."""


class UnknownKeyError(Exception):
    """The issuer publishes no key of this id."""


class Issuer(Protocol):
    """Who signs tokens."""

    name: str
    """What stands in a token as `iss`."""

    async def keys(self, id: str | None) -> Sequence[jwt.PyJWK]:
        """Return the public keys of an id. Raises UnknownKeyError or IssuerUnreachableError."""


class RemoteIssuer:
    """An OpenID Connect issuer, which publishes its keys under its URL.

    https://openid.net/specs/openid-connect-discovery-1_0.html
    """

    def __init__(self, url: str, user_agent: str) -> None:
        from app.platform.auth.issuer_keys import published_keys  # Slow to import.

        self.name = url
        self._user_agent, self._published_keys = user_agent, published_keys
        self._keys: Keys = {}
        self._odd: Sequence[str] = ()
        self._fetched = self._tried = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def keys(self, id: str | None) -> Sequence[jwt.PyJWK]:
        """Return the public keys of an id, fetched now if it was not seen before."""
        age = time.monotonic() - self._fetched
        is_usable = id in self._keys and age < _OUTDATED
        if age > _RENEWED or not is_usable:
            fetching = self._fetch()
            if fetching is not None and not is_usable:
                # A request that is given up must not stop it for those who wait as well.
                await asyncio.shield(fetching)
        if id in self._keys and time.monotonic() - self._fetched <= _OUTDATED:
            return self._keys[id]
        if self._fetched < self._tried:  # It may have new keys, and cannot be asked.
            raise IssuerUnreachableError(self._tried + _PAUSE - time.monotonic())
        if id not in self._keys:
            raise UnknownKeyError
        return self._keys[id]

    def _fetch(self) -> asyncio.Task[None] | None:
        """Start to fetch the keys, unless that was tried a moment ago."""
        now = time.monotonic()
        if self._fetching is None and now - self._tried > _PAUSE:
            self._tried = now
            self._fetching = asyncio.create_task(self._renew())
        return self._fetching

    async def _renew(self) -> None:
        try:
            self._keys, odd = await self._published_keys(self.name, self._user_agent)
            self._fetched = time.monotonic()
        except Exception as error:  # Whatever it answers, the keys that are known go on.
            said = cause(error)
            logger.warning("The issuer's keys could not be fetched from %s: %s", self.name, said)
        else:
            if odd and odd != self._odd:
                logger.warning("The issuer %s has keys of no use: %s", self.name, ", ".join(odd))
            self._odd = odd
        finally:
            self._fetching = None
