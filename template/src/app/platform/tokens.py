"""Bearer tokens: JSON Web Tokens that an OpenID Connect issuer has signed."""

import hashlib
import time
from collections import OrderedDict
from typing import Any

import jwt

from app.platform.issuer import Issuer, UnknownKeyError
from app.platform.principal import Principal

_OF_RSA = frozenset(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"))
_ALGORITHMS = _OF_RSA | {"ES256", "ES384", "ES512", "EdDSA"}
"""Only those with which whoever can verify cannot sign."""
_LEEWAY = 30
"""Seconds that the issuer's clock and ours may differ."""
_REMEMBERED = 60.0
"""Seconds for which a token need not be verified again; it is not taken for longer than it lives."""
_MOST = 10_000
"""Tokens that are remembered."""


class InvalidTokenError(Exception):
    """A token does not prove who sends it. The message says why, and nothing that is in it."""


class Tokens:
    """Verifies the tokens of one issuer for one audience."""

    def __init__(self, issuer: Issuer, audience: str) -> None:
        self._issuer, self._audience = issuer, audience
        self._verified: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    async def principal(self, token: str) -> Principal:
        """Return who a token speaks for.

        Raises InvalidTokenError, or IssuerUnreachableError where there are no keys to verify with.
        """
        digest = hashlib.sha256(token.encode()).digest()
        principal, until = self._verified.get(digest, (None, 0.0))
        now = time.time()
        if principal is None or until <= now:
            principal, expires = await self._verify(token)
            self._verified[digest] = principal, min(now + _REMEMBERED, expires)
            self._verified.move_to_end(digest)
            if len(self._verified) > _MOST:
                self._verified.popitem(last=False)
        return principal

    async def _verify(self, token: str) -> tuple[Principal, float]:
        try:
            header = jwt.get_unverified_header(token)
            if header["alg"] not in _ALGORITHMS:
                raise InvalidTokenError("Its algorithm is not accepted.")
            key = await self._issuer.key(header.get("kid"))
            if header["alg"] not in _fitting(key):
                raise InvalidTokenError("Its algorithm is not that of its key.")
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[header["alg"]],
                audience=self._audience,
                issuer=self._issuer.name,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise InvalidTokenError("The token has expired.") from None
        except UnknownKeyError:
            raise InvalidTokenError("The issuer has no such key.") from None
        except jwt.InvalidAudienceError:
            raise InvalidTokenError("The token is for somebody else.") from None
        except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
            raise InvalidTokenError("The token is not one of the issuer's.") from error
        return _principal(claims), float(claims["exp"])


def _fitting(key: jwt.PyJWK) -> frozenset[str]:
    # RS256 is also what PyJWT says of a key of RSA for which its issuer names no algorithm.
    return _OF_RSA if key.algorithm_name == "RS256" else frozenset((key.algorithm_name,))


def _principal(claims: dict[str, Any]) -> Principal:
    subject = claims["sub"]
    if not (0 < len(subject) <= 255 and subject.isprintable()):
        raise InvalidTokenError("Its subject is not fit to be an id.")
    # RFC 9068 says `scope`, in one text; some issuers say `scp`, in a text or a list.
    scopes = claims.get("scope", claims.get("scp", ""))
    if isinstance(scopes, str):
        scopes = scopes.split()
    return Principal(
        subject, frozenset(map(str, scopes)) if isinstance(scopes, list) else frozenset()
    )
