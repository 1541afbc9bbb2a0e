"""Who asks: tokens, their issuer, scopes."""

from typing import TYPE_CHECKING

from app.platform import lazily
from app.platform.auth.errors import InvalidTokenError, IssuerUnreachableError
from app.platform.auth.principal import Caller, Needs, needs, Principal, PUBLIC

if TYPE_CHECKING:
    from app.platform.auth.issuer import RemoteIssuer
    from app.platform.auth.tokens import Tokens
else:  # PyJWT brings cryptography.
    __getattr__ = lazily(__name__, {"issuer": ("RemoteIssuer",), "tokens": ("Tokens",)})

__all__ = [
    "PUBLIC",
    "Caller",
    "InvalidTokenError",
    "IssuerUnreachableError",
    "Needs",
    "Principal",
    "RemoteIssuer",
    "Tokens",
    "needs",
]
