"""The issuer of tokens, and the public keys it signs with: fetched, kept, and fetched again.

An issuer changes its keys now and then, and publishes the next one before it signs with it. So keys
that are a few minutes old are renewed beside the requests, which never wait for it; only a key that
nobody has seen yet is waited for, and looked for so seldom that made-up key ids do no harm.
"""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Protocol
from urllib.request import Request, urlopen

import jwt

logger = logging.getLogger("app.issuer")

_RENEWED = 300.0
"""Seconds after which the keys are fetched again."""
_OUTDATED = 86_400.0
"""Seconds for which keys are good when the issuer does not answer."""
_PAUSE = 10.0
"""Seconds between two attempts to fetch."""
_PATIENCE = 5.0
"""Seconds to wait for the issuer."""
_LARGEST = 1_000_000
"""Bytes of an answer."""


class UnknownKeyError(Exception):
    """The issuer publishes no key of this id."""


class IssuerUnreachableError(Exception):
    """The issuer's keys are needed, and it does not answer."""


class Issuer(Protocol):
    """Who signs tokens."""

    name: str
    """What stands in a token as `iss`."""

    async def key(self, id: str | None) -> jwt.PyJWK:
        """Return a public key. Raises UnknownKeyError or IssuerUnreachableError."""


class RemoteIssuer:
    """An OpenID Connect issuer, which publishes its keys under its URL.

    https://openid.net/specs/openid-connect-discovery-1_0.html
    """

    def __init__(self, url: str) -> None:
        self.name = url
        self._keys: Mapping[str | None, jwt.PyJWK] = {}
        self._fetched = self._tried = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, id: str | None) -> jwt.PyJWK:
        """Return a public key, fetched now if it was not seen before."""
        age = time.monotonic() - self._fetched
        is_usable = id in self._keys and age < _OUTDATED
        if age > _RENEWED or not is_usable:
            fetching = self._fetch()
            if fetching is not None and not is_usable:
                # A request that is given up must not stop it for those who wait as well.
                await asyncio.shield(fetching)
        if time.monotonic() - self._fetched > _OUTDATED:
            raise IssuerUnreachableError
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
            self._keys = await asyncio.to_thread(_published_keys, self.name)
            self._fetched = time.monotonic()
        except (
            OSError,
            HTTPException,
            LookupError,
            TypeError,
            ValueError,
            jwt.PyJWTError,
        ) as error:
            logger.warning("The issuer's keys could not be fetched from %s: %s", self.name, error)
        finally:
            self._fetching = None


def _published_keys(issuer: str) -> dict[str | None, jwt.PyJWK]:
    """Fetch the keys that verify signatures, by id; one that is alone also serves without an id."""
    described = _get(issuer.rstrip("/") + "/.well-known/openid-configuration")
    if described["issuer"] != issuer:
        raise ValueError(f"it says that it is {described['issuer']}")
    if issuer.startswith("https:") and not described["jwks_uri"].startswith("https:"):
        raise ValueError("its jwks_uri is not https")
    published = [
        key
        for key in jwt.PyJWKSet.from_dict(_get(described["jwks_uri"])).keys
        if key.key_type != "oct" and key.public_key_use in (None, "sig")
    ]
    keys = {key.key_id: key for key in published}
    return {None: published[0], **keys} if len(published) == 1 else keys


def _get(url: str) -> Any:
    with urlopen(Request(url, headers={"Accept": "application/json"}), timeout=_PATIENCE) as answer:
        return json.loads(answer.read(_LARGEST))
