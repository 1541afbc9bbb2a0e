"""An issuer of tokens for one's own machine: `app token` signs them, `app dev` believes them.

Its key is made on first use and never leaves the machine.
"""

import os
import time
from pathlib import Path
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    EllipticCurvePrivateKey,
    generate_private_key,
    SECP256R1,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_pem_private_key,
    NoEncryption,
    PrivateFormat,
)

_FILE = Path(__file__).parents[3] / ".local" / "issuer.pem"
_LIFETIME = 86_400
"""Seconds."""


class DevelopmentIssuer:
    """Signs tokens, and verifies them without a server."""

    name = "development"
    audience = "app"

    def __init__(self) -> None:
        self._private = _private_key()
        self._public = jwt.PyJWK.from_dict(
            jwt.algorithms.ECAlgorithm.to_jwk(self._private.public_key(), as_dict=True),
            algorithm="ES256",
        )

    async def keys(self, _id: str | None) -> tuple[jwt.PyJWK]:
        """Return the one key there is."""
        return (self._public,)

    def token(self, subject: str, *scopes: str) -> str:
        """Return a token for a day that says who its sender is, and what they may do."""
        now = int(time.time())
        claims = {
            "iss": self.name,
            "aud": self.audience,
            "sub": subject,
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + _LIFETIME,
        }
        return jwt.encode(claims, self._private, "ES256", {"typ": "at+jwt"})


def _private_key() -> EllipticCurvePrivateKey:
    """Read the key, or make it; several processes that do so at once come to the same one."""
    if not _FILE.exists():
        made = generate_private_key(SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        _FILE.parent.mkdir(exist_ok=True)
        whole = _FILE.with_name(f"issuer-{uuid4().hex}")
        whole.touch(mode=0o600)
        whole.write_bytes(made)
        try:
            os.link(whole, _FILE)  # Fails where another process was first.
        except FileExistsError:
            pass
        finally:
            whole.unlink()
    key = load_pem_private_key(_FILE.read_bytes(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return key
