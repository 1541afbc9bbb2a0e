"""Tokens: whose count, and whose do not."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.platform.auth import tokens as module
from app.platform.auth.issuer import RemoteIssuer
from app.platform.auth.principal import Principal
from app.platform.auth.tokens import InvalidTokenError, Tokens

from ..issuing import Issuing, public


@pytest.fixture(scope="module")
def issuing() -> Iterator[Issuing]:
    issuing = Issuing()
    issuing.add("second")
    yield issuing
    issuing.stop()


AT = {"typ": "at+jwt"}


@pytest.fixture
def tokens(issuing: Issuing) -> Tokens:
    return Tokens(RemoteIssuer(issuing.url, "app/1"), "shop")


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

        async def keys(self, _id: str | None) -> list[jwt.PyJWK]:
            return [jwt.PyJWK({**published, "alg": "PS256"})]

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
        ({"exp": float("inf")}, "not one of the issuer's"),
        ({"nbf": "soon"}, "not one of the issuer's"),
        ({"nbf": 2**40}, "nbf is .* seconds ahead of the clock of this server"),
        ({"iat": 2**40}, "iat is .* seconds ahead of the clock of this server"),
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


NESTED = in_url(b"[" * 20_000)


@pytest.mark.parametrize(
    "token", ["", "a", "a.b.c", "é.é.é", "." * 1000, "e30.e30.e30", f"{NESTED}.{NESTED}.e30"]
)
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


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        (AT, {"client_id": "web", "jti": "1"}),  # As RFC 9068 has it.
        ({"typ": "application/at+jwt"}, {}),
        ({"typ": "AT+JWT"}, {"nonce": "n"}),
        ({"typ": "JWT"}, {}),
        ({}, {"typ": "Bearer", "azp": "web", "nonce": "n"}),  # Keycloak's, until release 24.
        ({}, {"token_use": "access", "client_id": "web"}),  # Cognito's.
        ({}, {"azp": "web", "gty": "client-credentials"}),  # Auth0's.
        ({}, {"cid": "web", "ver": 1, "uid": "u", "scp": ["a"]}),  # Okta's.
        ({}, {"appid": "web", "aio": "x", "ver": "1.0", "idtyp": "app"}),  # Entra's.
    ],
)
async def test_access_tokens_of_many_issuers_count(
    issuing: Issuing, tokens: Tokens, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    assert (await tokens.principal(issuing.token(header=header, **claims))).id == "ada"


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({}, {"nonce": "n"}),
        ({}, {"at_hash": "h"}),
        ({}, {"c_hash": "h", "azp": "web"}),
        ({}, {"typ": "ID"}),
        ({}, {"typ": "Refresh"}),
        ({}, {"typ": "Offline"}),
        ({}, {"token_use": "id"}),
        ({}, {"token_type": "refresh_token"}),
        ({}, {"typ": "Logout"}),
        ({}, {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
        (AT, {"events": {}}),
        (AT, {"typ": "ID"}),
        ({"typ": "logout+jwt"}, {}),
        ({"typ": "secevent+jwt"}, {}),
        ({"typ": "dpop+jwt"}, {}),
        ({"typ": "application/dpop+jwt"}, {}),
    ],
)
async def test_what_the_issuer_signed_for_another_purpose_is_refused(
    issuing: Issuing, tokens: Tokens, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    with pytest.raises(InvalidTokenError, match="another kind of token"):
        await tokens.principal(issuing.token(header=header, **claims))


@pytest.mark.parametrize("crit", [["b64"], ["exp"], [], "b64"])
async def test_extensions_that_nobody_understands_are_refused(
    issuing: Issuing, tokens: Tokens, crit: object
) -> None:
    with pytest.raises(InvalidTokenError):
        await tokens.principal(issuing.token(header={"crit": crit, "exp": 1}))


@pytest.mark.parametrize(
    ("claims", "counts"),
    [
        ({"azp": "web"}, True),
        ({"client_id": "back-office"}, True),
        ({"azp": "web", "client_id": "web"}, True),
        ({"cid": "web"}, True),
        ({"appid": "web"}, True),
        ({"azp": "web", "cid": "customer 7"}, True),
        ({"azp": "other"}, False),
        ({"azp": "web", "client_id": "other"}, False),
        ({"azp": ["web"]}, False),
        ({}, False),
    ],
)
async def test_where_clients_are_named_only_their_tokens_count(
    issuing: Issuing, claims: dict[str, Any], counts: bool
) -> None:
    tokens = Tokens(RemoteIssuer(issuing.url, "app/1"), "shop", ["web", "back-office"])
    principal = tokens.principal(issuing.token(**claims))
    if counts:
        assert (await principal).id == "ada"
    else:
        with pytest.raises(InvalidTokenError, match="a client that is not one of ours"):
            await principal


async def test_of_two_keys_with_one_id_the_one_that_signed_is_found() -> None:
    issuing = Issuing()
    first, second = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    issuing.keys = {"first": first}
    issuing.odd = [
        {**public(second), "kid": "first"},
        {**public(ec.generate_private_key(ec.SECP256R1())), "kid": "first"},
    ]
    try:
        tokens = Tokens(RemoteIssuer(issuing.url, "app/1"), "shop")
        for key in (first, second):
            assert (await tokens.principal(issuing.token(key=key))).id == "ada"
        with pytest.raises(InvalidTokenError):
            await tokens.principal(issuing.token(key=rsa.generate_private_key(65537, 2048)))
    finally:
        issuing.stop()
