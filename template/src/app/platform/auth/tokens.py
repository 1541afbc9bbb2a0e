"""Bearer tokens: JSON Web Tokens that an OpenID Connect issuer has signed."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any

import jwt

from app.platform.auth.errors import InvalidTokenError
from app.platform.auth.issuer import ALGORITHMS, Issuer, UnknownKeyError
from app.platform.auth.principal import Principal

_OF_RSA = frozenset(each for each in ALGORITHMS if each.startswith(("RS", "PS")))
_OF_ACCESS = ("jwt", "at+jwt")
"""What the header calls an access token: RFC 9068, and issuers that do not follow it."""
_OTHER_KINDS = frozenset(
    ("id", "idtoken", "refresh", "refreshtoken", "offline", "logout", "logouttoken")
)
"""What issuers call other tokens in their claims: Keycloak in `typ`, Cognito in `token_use`."""
_OF_ID_TOKENS = ("nonce", "at_hash", "c_hash", "s_hash")
_OF_CLIENT = (("azp", "client_id"), ("cid",), ("appid",))
"""Claims that name the client a token was issued to; Okta and Entra have names of their own."""
_LEEWAY = 30
"""Seconds that the issuer's clock and ours may differ."""
_REMEMBERED = 60.0
"""Seconds for which a token need not be verified again; it is not taken for longer than it lives."""
_MOST = 10_000
"""Tokens that are remembered."""


_MALFORMED = (
    jwt.PyJWTError,
    ValueError,
    TypeError,
    KeyError,
    OverflowError,  # As of a time that is infinite,
    RecursionError,  # and of JSON that is nested without end.
)


class Tokens:
    """Verifies the tokens of one issuer for one audience."""

    def __init__(self, issuer: Issuer, audience: str, clients: Collection[str] = ()) -> None:
        """Of these clients only, where any are given."""
        self._issuer, self._audience, self._clients = issuer, audience, frozenset(clients)
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
            if header["alg"] not in ALGORITHMS:
                raise InvalidTokenError("Its algorithm is not accepted.")
            if "crit" in header:
                raise InvalidTokenError("It has extensions that are not understood.")
            keys = await self._issuer.keys(header.get("kid"))
            fitting = [key for key in keys if header["alg"] in _fitting(key)]
            if not fitting:
                raise InvalidTokenError("Its algorithm is not that of its key.")
            claims = self._decode(token, header["alg"], fitting)
            _check_kind(header, claims)
            _check_clock(claims)
        except jwt.ExpiredSignatureError:
            raise InvalidTokenError("The token has expired.") from None
        except UnknownKeyError:
            raise InvalidTokenError("The issuer has no such key.") from None
        except jwt.InvalidAudienceError:
            raise InvalidTokenError("The token is for somebody else.") from None
        except _MALFORMED as error:
            raise InvalidTokenError("The token is not one of the issuer's.") from error
        if self._clients and not _clients(claims) <= self._clients:
            raise InvalidTokenError("The token was issued to a client that is not one of ours.")
        return _principal(claims), float(claims["exp"])

    def _decode(self, token: str, algorithm: str, keys: Collection[jwt.PyJWK]) -> dict[str, Any]:
        """Return what a token says that was signed with one of these keys."""
        for tried, key in enumerate(keys, 1):
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    key.key,
                    algorithms=[algorithm],
                    audience=self._audience,
                    issuer=self._issuer.name,
                    leeway=_LEEWAY,
                    options={
                        "require": ["exp", "iss", "aud", "sub"],
                        "verify_iat": False,  # See `_check_clock`.
                        "verify_nbf": False,
                    },
                )
                return claims
            except (jwt.InvalidSignatureError, jwt.InvalidKeyError):
                if tried == len(keys):
                    raise
        raise UnknownKeyError


def _check_kind(header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
    """Refuse what the issuer has signed for other purposes than to let somebody in: ID tokens, and
    all that RFC 8725 warns of in section 2.8. Few issuers say `at+jwt`, so the claims are looked at.
    """
    kind = str(header.get("typ", "JWT")).lower().removeprefix("application/")
    said = {
        str(claims[name]).lower().replace("_", "").replace(" ", "")
        for name in ("typ", "token_use", "token_type")
        if name in claims
    }
    is_said = kind == "at+jwt" or "bearer" in said or "access" in said
    if (
        kind not in _OF_ACCESS
        or said & _OTHER_KINDS
        or "events" in claims
        or (not is_said and any(name in claims for name in _OF_ID_TOKENS))
    ):
        raise InvalidTokenError("It is another kind of token: send an access token.")


def _check_clock(claims: Mapping[str, Any]) -> None:
    for name in ("nbf", "iat"):
        ahead = int(claims.get(name, 0)) - time.time()
        if ahead > _LEEWAY:
            raise InvalidTokenError(
                f"The token is not valid yet: its {name} is {ahead:.0f} seconds ahead of the clock "
                "of this server."
            )


def _clients(claims: Mapping[str, Any]) -> set[str]:
    """Return the clients that a token was issued to, by one claim or by two; "" where it names none."""
    for names in _OF_CLIENT:
        if named := {str(claims[name]) for name in names if name in claims}:
            return named
    return {""}


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
