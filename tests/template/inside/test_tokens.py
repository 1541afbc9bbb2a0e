"""Tokens: whose count, and whose do not."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from app.platform import tokens as module
from app.platform.issuer import RemoteIssuer
from app.platform.principal import Principal
from app.platform.tokens import InvalidTokenError, Tokens
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .issuing import Issuing


@pytest.fixture(scope="module")
def issuing() -> Iterator[Issuing]:
    issuing = Issuing()
    issuing.add("second")
    yield issuing
    issuing.stop()


@pytest.fixture
def tokens(issuing: Issuing) -> Tokens:
    return Tokens(RemoteIssuer(issuing.url), "shop")


def in_url(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def encoded(part: dict[str, Any]) -> str:
    return in_url(json.dumps(part).encode())


def signed(issuing: Issuing, algorithm: str) -> str:
    claims = {"iss": issuing.url, "aud": "shop", "sub": "ada", "exp": time.time() + 60}
    return jwt.encode(claims, issuing.keys["first"], algorithm, {"kid": "first"})


@pytest.mark.parametrize("kid", ["first", "second"])
async def test_a_token_says_who_sends_it_and_what_they_may_do(
    issuing: Issuing, tokens: Tokens, kid: str
) -> None:
    token = issuing.token(kid, scope="catalog:write orders:read")
    expected = Principal("ada", frozenset({"catalog:write", "orders:read"}))
    assert await tokens.principal(token) == expected
    assert await tokens.principal(token) == expected


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
async def test_a_key_that_names_no_algorithm_serves_for_all_of_its_type(
    issuing: Issuing, tokens: Tokens, algorithm: str
) -> None:
    assert (await tokens.principal(signed(issuing, algorithm))).id == "ada"


@pytest.mark.parametrize(("algorithm", "fits"), [("PS256", True), ("RS256", False)])
async def test_a_key_that_names_its_algorithm_serves_for_no_other(
    issuing: Issuing, algorithm: str, fits: bool
) -> None:
    published = issuing.published()["keys"][0]

    class Issuer:
        name = issuing.url

        async def key(self, _id: str | None) -> jwt.PyJWK:
            return jwt.PyJWK({**published, "alg": "PS256"})

    principal = Tokens(Issuer(), "shop").principal(signed(issuing, algorithm))
    if fits:
        assert (await principal).id == "ada"
    else:
        with pytest.raises(InvalidTokenError, match="algorithm is not that of its key"):
            await principal


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scp": ["a", "b"]}, {"a", "b"}),
        ({"scp": "a b"}, {"a", "b"}),
        ({"scope": 7}, set()),
        ({}, set()),
        ({"aud": ["others", "shop"]}, set()),
        ({"lasts": -10}, set()),  # Clocks differ a little.
    ],
)
async def test_what_issuers_do_differently_is_understood(
    issuing: Issuing, tokens: Tokens, claims: dict[str, Any], scopes: set[str]
) -> None:
    assert (await tokens.principal(issuing.token(**claims))).scopes == scopes


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"lasts": -60}, "has expired"),
        ({"exp": None}, "not one of the issuer's"),
        ({"exp": "soon"}, "not one of the issuer's"),
        ({"nbf": 2**40}, "not one of the issuer's"),
        ({"iss": "https://elsewhere.example.com"}, "not one of the issuer's"),
        ({"iss": None}, "not one of the issuer's"),
        ({"aud": "others"}, "for somebody else"),
        ({"aud": None}, "not one of the issuer's"),
        ({"sub": None}, "not one of the issuer's"),
        ({"sub": ""}, "subject"),
        ({"sub": "a\0b"}, "subject"),
        ({"sub": "a" * 256}, "subject"),
    ],
)
async def test_a_token_that_proves_too_little_is_refused(
    issuing: Issuing, tokens: Tokens, claims: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidTokenError, match=said):
        await tokens.principal(issuing.token(**claims))


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "é.é.é", "." * 1000, "e30.e30.e30"])
async def test_what_is_no_token_is_refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(InvalidTokenError):
        await tokens.principal(token)


async def test_a_signature_by_somebody_else_is_refused(issuing: Issuing, tokens: Tokens) -> None:
    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())):
        with pytest.raises(InvalidTokenError):
            await tokens.principal(issuing.token("first", key))
    head, _, signature = issuing.token().split(".")
    with pytest.raises(InvalidTokenError):
        await tokens.principal(f"{head}.{encoded({'sub': 'root'})}.{signature}")


async def test_a_public_key_does_not_serve_as_a_shared_secret(
    issuing: Issuing, tokens: Tokens
) -> None:
    public = issuing.keys["first"].public_key()
    secret = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    claims = {"iss": issuing.url, "aud": "shop", "sub": "root", "exp": time.time() + 60}
    for algorithm in ("HS256", "none"):
        signed = f"{encoded({'alg': algorithm, 'kid': 'first'})}.{encoded(claims)}"
        signature = hmac.digest(secret, signed.encode(), "sha256") if algorithm != "none" else b""
        with pytest.raises(InvalidTokenError):
            await tokens.principal(f"{signed}.{in_url(signature)}")


async def test_a_remembered_token_still_expires(
    issuing: Issuing, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuing.token(lasts=5)
    await tokens.principal(token)
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() + 4)
    await tokens.principal(token)
    issuing.keys["first"], kept = rsa.generate_private_key(65537, 2048), issuing.keys["first"]
    try:
        monkeypatch.setattr("time.time", lambda: now() + 6)
        # Verified again, and within what clocks may differ.
        assert (await tokens.principal(token)).id == "ada"
    finally:
        issuing.keys["first"] = kept


async def test_only_so_many_tokens_are_remembered(
    issuing: Issuing, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    for number in range(5):
        await tokens.principal(issuing.token(sub=f"user {number}"))
    assert len(tokens._verified) == 3
