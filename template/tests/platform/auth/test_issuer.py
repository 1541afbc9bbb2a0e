"""The issuer's keys: fetched once, renewed beside the requests, kept when it is away."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from app.platform import timeouts as waits
from app.platform.auth import issuer as module
from app.platform.auth.errors import IssuerUnreachableError
from app.platform.auth.issuer import RemoteIssuer, UnknownKeyError

from ..issuing import Issuing, public


@pytest.fixture
def issuing() -> Iterator[Issuing]:
    issuing = Issuing()
    yield issuing
    issuing.stop()


async def test_many_who_need_a_key_at_once_fetch_it_once(issuing: Issuing) -> None:
    issuer = RemoteIssuer(issuing.url, "app/1")
    found = await asyncio.gather(*(issuer.keys("first") for _ in range(50)))
    assert {key.key_id for keys in found for key in keys} == {"first"}
    assert issuing.asked == 1


async def test_a_key_that_is_alone_needs_no_id(issuing: Issuing) -> None:
    (alone,) = await RemoteIssuer(issuing.url, "app/1").keys(None)
    assert alone.key_id == "first"
    issuing.add("second")
    with pytest.raises(UnknownKeyError):
        await RemoteIssuer(issuing.url, "app/1").keys(None)


async def test_a_new_key_is_found_when_it_is_first_used(
    issuing: Issuing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0)
    issuer = RemoteIssuer(issuing.url, "app/1")
    await issuer.keys("first")
    issuing.add("second")
    (second,) = await issuer.keys("second")
    assert second.key_id == "second"


async def test_ids_that_are_made_up_do_not_make_it_ask_each_time(
    issuing: Issuing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE", 600)
    issuer = RemoteIssuer(issuing.url, "app/1")
    for number in range(20):
        with pytest.raises(UnknownKeyError):
            await issuer.keys(f"made up {number}")
    assert issuing.asked == 1


async def test_a_key_that_was_taken_back_counts_no_more(
    issuing: Issuing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0)
    issuer = RemoteIssuer(issuing.url, "app/1")
    await issuer.keys("first")
    issuing.add("second")
    del issuing.keys["first"]
    monkeypatch.setattr(module, "_RENEWED", 0)
    await issuer.keys("first")  # Does not wait, but has the keys renewed.
    async with asyncio.timeout(30):
        while issuer._fetching:
            await asyncio.sleep(0.01)
    monkeypatch.setattr(module, "_RENEWED", 300)
    with pytest.raises(UnknownKeyError):
        await issuer.keys("first")


@pytest.mark.parametrize("trouble", ["stopped", "failing", "another"])
async def test_keys_are_kept_when_the_issuer_is_away_but_not_for_ever(
    issuing: Issuing, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0)
    monkeypatch.setattr(module, "_RENEWED", 0)
    issuer = RemoteIssuer(issuing.url, "app/1")
    await issuer.keys("first")
    if trouble == "stopped":
        issuing._server.socket.close()
    elif trouble == "failing":
        issuing.status = 500
    else:
        issuing.says_it_is = "https://elsewhere.example.com"
    for _ in range(3):
        (first,) = await issuer.keys("first")
        assert first.key_id == "first"
        await asyncio.sleep(0.05)
    monkeypatch.setattr(module, "_OUTDATED", 0.01)
    with pytest.raises(IssuerUnreachableError):
        await issuer.keys("first")


async def test_whether_a_key_is_new_is_not_known_while_the_issuer_is_away(issuing: Issuing) -> None:
    issuer = RemoteIssuer(issuing.url, "app/1")
    await issuer.keys("first")
    issuing.status = 500
    issuer._tried = float("-inf")
    with pytest.raises(IssuerUnreachableError):
        await issuer.keys("new")
    issuing.status, issuer._tried = 200, float("-inf")
    with pytest.raises(UnknownKeyError):
        await issuer.keys("new")


async def test_without_keys_nobody_can_be_known() -> None:
    with pytest.raises(IssuerUnreachableError):
        await RemoteIssuer("http://127.0.0.1:1", "app/1").keys("first")


async def test_it_says_who_asks(issuing: Issuing) -> None:
    await RemoteIssuer(issuing.url, "shop/1.4.2").keys("first")
    assert issuing.agents == {"shop/1.4.2"}


OK = b"HTTP/1.1 200 OK\r\n"
TROUBLES = {
    "silent": (b"", b""),
    "one header for ever": (OK + b"X: ", b"x"),
    "headers for ever": (OK, b"X: x\r\n" * 100),
    "drips its body": (OK + b"Content-Length: 1000\r\n\r\n", b" "),
    "drips in chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a body for ever": (OK + b"\r\n", b" " * 10_000),
    "redirects for ever": (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", b""),
}


@asynccontextmanager
async def speaking(first: bytes, again: bytes) -> AsyncIterator[str]:
    """Serve an issuer that says something, and then something else again and again."""
    asked: set[asyncio.Task[None] | None] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.add(asyncio.current_task())
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(first)
                while again or not first:
                    writer.write(again)
                    await writer.drain()
                    await asyncio.sleep(0.01)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for task in asked:
            assert task
            task.cancel()
        await asyncio.gather(*(task for task in asked if task), return_exceptions=True)


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_an_issuer_that_never_comes_to_an_end_is_given_up(
    trouble: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(waits, "ISSUER", 0.3)
    async with speaking(*TROUBLES[trouble]) as url, asyncio.timeout(30):
        with pytest.raises(IssuerUnreachableError):
            await RemoteIssuer(url, "app/1").keys("first")
    assert "could not be fetched" in caplog.text


async def test_an_issuer_that_is_silent_from_the_start_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waits, "ISSUER", 1.0)
    async with speaking(b"", b"") as url, asyncio.timeout(30):
        with pytest.raises(IssuerUnreachableError):  # There is no handshake.
            await RemoteIssuer(url.replace("http:", "https:"), "app/1").keys("first")


async def test_an_issuer_that_sends_elsewhere_is_not_followed(
    issuing: Issuing, caplog: pytest.LogCaptureFixture
) -> None:
    moved = f"HTTP/1.1 302 Found\r\nLocation: {issuing.url}/keys\r\nContent-Length: 0\r\n\r\n"
    async with speaking(moved.encode(), b"") as url:
        with pytest.raises(IssuerUnreachableError):
            await RemoteIssuer(url, "app/1").keys("first")
    assert "redirects to another server" in caplog.text
    assert issuing.asked == 0


SMALL = {**public(rsa.generate_private_key(65537, 1024)), "kid": "small"}
ODD = {
    "no key": "nonsense",
    "of no type": {"kid": "odd"},
    "a secret without its value": {"kty": "oct", "kid": "odd"},
    "a shared secret": {"kty": "oct", "kid": "odd", "k": "c2VjcmV0"},
    "an unknown type": {"kty": "PQC", "kid": "odd"},
    "an unknown curve": {"kty": "EC", "crv": "P-1", "kid": "odd", "x": "AA", "y": "AA"},
    "a curve without its point": {"kty": "EC", "crv": "P-256", "kid": "odd"},
    "a certificate alone": {"kty": "RSA", "kid": "odd", "x5c": ["MIIB"]},
    "for another purpose": {"kty": "RSA", "kid": "odd", "use": "enc", "alg": "RSA-OAEP"},
    "to encrypt": {"kty": "RSA", "kid": "odd", "key_ops": ["encrypt"]},
    "an algorithm of another type": {"kty": "EC", "alg": "RS256", "kid": "odd"},
    "a key that is too short": SMALL,
    "an id that is none": {"kty": "oct", "kid": ["odd"], "use": ["sig"]},
    "purposes that are none": {"kty": "RSA", "kid": "odd", "key_ops": 7},
    "a private key": {"d": "AQAB", **public(rsa.generate_private_key(65537, 2048)), "kid": "odd"},
}


@pytest.mark.parametrize("odd", ODD)
async def test_a_key_of_no_use_does_not_hide_the_others(
    issuing: Issuing, odd: str, caplog: pytest.LogCaptureFixture
) -> None:
    issuing.odd = [ODD[odd]]
    issuer = RemoteIssuer(issuing.url, "app/1")
    (key,) = await issuer.keys("first")
    assert key.key_id == "first"
    for id in ("odd", "small"):
        with pytest.raises(UnknownKeyError):
            await issuer.keys(id)
    assert "c2VjcmV0" not in caplog.text
    assert "AQAB" not in caplog.text


async def test_keys_of_no_use_are_told_once(
    issuing: Issuing, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0)
    issuing.odd = [SMALL]
    issuer = RemoteIssuer(issuing.url, "app/1")
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            with pytest.raises(UnknownKeyError):
                await issuer.keys("unknown")
    said = [each for each in caplog.messages if "keys of no use" in each]
    assert said == [
        f"The issuer {issuing.url} has keys of no use: 'small' (shorter than 2048 bits)"
    ]
    assert issuing.asked == 3


async def test_two_keys_of_one_id_are_both_known(issuing: Issuing) -> None:
    issuing.add("second")
    issuing.odd = [{**public(issuing.keys.pop("second")), "kid": "first"}]
    keys = await RemoteIssuer(issuing.url, "app/1").keys("first")
    assert {key.key_type for key in keys} == {"RSA", "EC"}
