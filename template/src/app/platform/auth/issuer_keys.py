"""The keys that an issuer publishes: fetched within bounds, and each read for itself.

Imported only where there is an issuer: httpx takes a while to load.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import jwt

from app.platform import timeouts as waits
from app.platform.auth.issuer import ALGORITHMS

_LARGEST = 1_000_000
"""Bytes of an answer."""
_MOST_REDIRECTS = 3
_SHORTEST = 2048
"""Bits of a key of RSA, as RFC 7518 wants them."""

Keys = Mapping[str | None, Sequence[jwt.PyJWK]]
"""Keys that verify signatures, by id: more than one may have the same. One that is alone also serves
without an id."""


async def published_keys(issuer: str, user_agent: str) -> tuple[Keys, Sequence[str]]:
    """Fetch the keys of an issuer, and say which of them are of no use, and why.

    Raises TimeoutError, httpx.HTTPError, or ValueError where they make no sense.
    """
    # The certificates that this machine trusts, as they are now; httpx brings its own.
    trusted = await asyncio.to_thread(ssl.create_default_context)
    headers = {"User-Agent": user_agent, "Accept": "application/json"}
    headers["Accept-Encoding"] = "identity"  # Or a small answer could become a large one.
    # Where it is cancelled in a handshake, httpx forgets to close the connection.
    timeout = httpx.Timeout(None, connect=waits.ISSUER / 2)
    async with asyncio.timeout(waits.ISSUER):
        async with httpx.AsyncClient(headers=headers, verify=trusted, timeout=timeout) as client:
            url = issuer.rstrip("/") + "/.well-known/openid-configuration"
            described = await _get(client, url)
            if not isinstance(described, dict):
                raise ValueError(f"{url} describes no issuer")
            if (named := described.get("issuer")) != issuer:
                raise ValueError(f"it says that it is {str(named)[:200]}")
            where = str(described.get("jwks_uri"))
            if issuer.startswith("https:") and not where.startswith("https:"):
                raise ValueError("its jwks_uri is not https")
            published = await _get(client, where)
        return await asyncio.to_thread(_usable, published)


async def _get(client: httpx.AsyncClient, url: str) -> Any:
    request = client.build_request("GET", url)
    for _ in range(_MOST_REDIRECTS):
        answer = await client.send(request, stream=True)
        try:
            if answer.next_request is None:
                return json.loads(await _body(answer))
            if _origin(answer.next_request.url) != _origin(request.url):
                raise ValueError(f"{url} redirects to another server")
            request = answer.next_request
        finally:
            await answer.aclose()
    raise ValueError(f"{url} redirects too often")


async def _body(answer: httpx.Response) -> bytes:
    if answer.status_code != 200:
        raise ValueError(f"{answer.url} answers {answer.status_code}")
    body = b""
    async for part in answer.aiter_raw():
        body += part
        if len(body) > _LARGEST:
            raise ValueError(f"{answer.url} answers more than {_LARGEST} bytes")
    return body


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _usable(published: Any) -> tuple[Keys, list[str]]:
    given = published.get("keys") if isinstance(published, dict) else None
    if not isinstance(given, list):
        raise ValueError("its jwks_uri leads to no set of keys")
    keys: dict[str | None, list[jwt.PyJWK]] = {}
    odd: list[str] = []
    for each in given:
        try:
            key = _read(each)
        except Exception as error:  # Whatever it holds: it must not hide the others.
            # What the library says quotes the key.
            reason = str(error) if type(error) is ValueError else type(error).__name__
            id = each.get("kid") if isinstance(each, dict) else None
            odd.append(f"{'one of no id' if id is None else repr(str(id)[:100])} ({reason})")
        else:
            if key is not None:
                keys.setdefault(key.key_id if isinstance(key.key_id, str) else None, []).append(key)
    if not keys:
        raise ValueError(f"none of its {len(given)} keys is fit to verify tokens")
    every = [key for several in keys.values() for key in several]
    return ({None: every, **keys} if len(every) == 1 else keys), odd


def _read(given: dict[str, Any]) -> jwt.PyJWK | None:
    """Return a key, or None for one with another purpose. Raises what is wrong with it."""
    if given.get("use", "sig") != "sig" or "verify" not in given.get("key_ops", ["verify"]):
        return None
    if given["kty"] == "oct":
        raise ValueError("a shared secret")
    if "d" in given:
        raise ValueError("its private part is public")
    key = jwt.PyJWK(given)
    if key.algorithm_name not in ALGORITHMS:
        raise ValueError("its algorithm is not accepted")
    if given["kty"] == "RSA" and key.key.key_size < _SHORTEST:
        raise ValueError(f"shorter than {_SHORTEST} bits")
    return key
