"""Signatures of calls: HTTP Message Signatures (RFC 9421) by HMAC with SHA-256.

They cover method, path, body and the headers that say on whose behalf a call is made and how long it
may take; neither host nor `traceparent`, which proxies rewrite.
"""

import base64
import hashlib
import hmac
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from secrets import token_urlsafe
from urllib.parse import quote

from app.platform.timeouts import REMOTE_SIGNED, REMOTE_SKEW

REQUEST_ID, PRINCIPAL = "x-request-id", "x-principal"
TIMEOUT, COMMITTED = "x-call-timeout", "x-committed-ago"
_HEADERS = ("content-digest", REQUEST_ID, PRINCIPAL, TIMEOUT, COMMITTED)
_COMPONENTS = " ".join(f'"{name}"' for name in ("@method", "@path", *_HEADERS))
_TAG = "module-call"
_LABEL = "call"
_INPUT = re.compile(
    rf"{_LABEL}=(?P<parameters>\({re.escape(_COMPONENTS)}\);created=(?P<created>\d{{1,12}});"
    rf'expires=(?P<expires>\d{{1,12}});nonce="(?P<nonce>[A-Za-z0-9_-]{{16,64}})";'
    rf'keyid="(?P<key>[A-Za-z0-9._-]{{1,64}})";alg="hmac-sha256";tag="{_TAG}")'
)
_MOST_NONCES = 100_000

Headers = dict[str, str]


def claims(request_id: str, principal: str, seconds: float, committed: float | None) -> Headers:
    """Return what a call says: on whose behalf it is made, how many seconds it may take, and how many
    ago its caller has committed what it must see."""
    return {
        REQUEST_ID: quote(request_id),
        PRINCIPAL: quote(principal),
        TIMEOUT: f"{seconds:.3f}",
        COMMITTED: "" if committed is None else f"{committed:.3f}",
    }


class SignatureError(Exception):
    """A call is not signed as it must be. Says why, which is for the log and not for the caller."""


class RepeatedError(SignatureError):
    """A call that has passed already. Who sent it could sign it."""


class Signer:
    """Signs calls with the first key."""

    def __init__(self, keys: Mapping[str, bytes], clock: Callable[[], float] = time.time) -> None:
        self._id, self._key = next(iter(keys.items()))
        self._clock = clock

    def sign(self, path: str, body: bytes, said: Headers) -> Headers:
        """Return the headers of a POST that says this of itself, with a signature that counts once."""
        created = int(self._clock())
        headers = {"content-digest": _digest(body), **said}
        parameters = (
            f"({_COMPONENTS});created={created};expires={created + REMOTE_SIGNED};"
            f'nonce="{token_urlsafe(16)}";keyid="{self._id}";alg="hmac-sha256";tag="{_TAG}"'
        )
        mac = _mac(self._key, path, headers, parameters)
        headers["signature-input"] = f"{_LABEL}={parameters}"
        headers["signature"] = f"{_LABEL}=:{mac}:"
        return headers


class Verifier:
    """Verifies calls, by any of the keys, and lets each pass once.

    What has passed is known to this process alone: another one of the same service would let the
    same call pass, once, for as long as its signature counts.
    """

    def __init__(self, keys: Mapping[str, bytes], clock: Callable[[], float] = time.time) -> None:
        self._keys, self._clock = keys, clock
        self._passed: OrderedDict[str, int] = OrderedDict()

    def verify(self, path: str, headers: Mapping[str, str]) -> None:
        """Check the head of a POST. Raises SignatureError."""
        given = _INPUT.fullmatch(headers.get("signature-input", ""))
        if given is None:
            raise SignatureError("it is not signed" if "signature" not in headers else "its form")
        if any(name not in headers for name in _HEADERS):
            raise SignatureError("a header is missing that the signature covers")
        if (key := self._keys.get(given["key"])) is None:
            raise SignatureError("its key is not known here: see REMOTE_KEYS")
        expected = f"{_LABEL}=:{_mac(key, path, headers, given['parameters'])}:"
        if not hmac.compare_digest(expected.encode(), headers.get("signature", "").encode()):
            raise SignatureError("it was made with another key of that name, or changed on its way")
        now, created, expires = self._clock(), int(given["created"]), int(given["expires"])
        if created - REMOTE_SKEW > now or not created <= expires <= created + REMOTE_SIGNED:
            raise SignatureError("it is from the future: look at the clocks of both machines")
        if expires + REMOTE_SKEW < now:
            raise SignatureError("it has expired: look at the clocks of both machines")
        self._pass(given["nonce"], expires + REMOTE_SKEW, now)

    def check_body(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check that the body is the one that was signed. Raises SignatureError."""
        if not hmac.compare_digest(_digest(body), headers["content-digest"]):
            raise SignatureError("its body was changed on its way")

    def _pass(self, nonce: str, until: int, now: float) -> None:
        if nonce in self._passed:
            raise RepeatedError("it came a second time")
        while self._passed and next(iter(self._passed.values())) < now:
            self._passed.popitem(last=False)
        if len(self._passed) >= _MOST_NONCES:  # All of them signed by us: rather forget one.
            self._passed.popitem(last=False)
        self._passed[nonce] = until


def _digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def _mac(key: bytes, path: str, headers: Mapping[str, str], parameters: str) -> str:
    lines = [f'"{name}": {headers[name]}' for name in _HEADERS]
    text = "\n".join(
        ('"@method": POST', f'"@path": {path}', *lines, f'"@signature-params": {parameters}')
    )
    return base64.b64encode(hmac.digest(key, text.encode("latin-1"), "sha256")).decode()
