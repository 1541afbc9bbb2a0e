"""Who asks: tokens, their issuer, scopes."""

from app.platform.auth.issuer import IssuerUnreachableError, RemoteIssuer
from app.platform.auth.principal import Caller, Needs, needs, Principal, PUBLIC
from app.platform.auth.tokens import InvalidTokenError, Tokens

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
