"""The issuer's keys: fetched once, renewed beside the requests, kept when it is away."""

import asyncio
from collections.abc import Iterator

import pytest
from app.platform import issuer as module
from app.platform.issuer import IssuerUnreachableError, RemoteIssuer, UnknownKeyError

from .issuing import Issuing


@pytest.fixture
def issuing() -> Iterator[Issuing]:
    issuing = Issuing()
    yield issuing
    issuing.stop()


async def test_many_who_need_a_key_at_once_fetch_it_once(issuing: Issuing) -> None:
    issuer = RemoteIssuer(issuing.url)
    keys = await asyncio.gather(*(issuer.key("first") for _ in range(50)))
    assert {key.key_id for key in keys} == {"first"}
    assert issuing.asked == 1


async def test_a_key_that_is_alone_needs_no_id(issuing: Issuing) -> None:
    assert (await RemoteIssuer(issuing.url).key(None)).key_id == "first"
    issuing.add("second")
    with pytest.raises(UnknownKeyError):
        await RemoteIssuer(issuing.url).key(None)


async def test_a_new_key_is_found_when_it_is_first_used(
    issuing: Issuing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0)
    issuer = RemoteIssuer(issuing.url)
    await issuer.key("first")
    issuing.add("second")
    assert (await issuer.key("second")).key_id == "second"


async def test_ids_that_are_made_up_do_not_make_it_ask_each_time(issuing: Issuing) -> None:
    issuer = RemoteIssuer(issuing.url)
    for number in range(20):
        with pytest.raises(UnknownKeyError):
            await issuer.key(f"made up {number}")
    assert issuing.asked == 1


async def test_a_key_that_was_taken_back_counts_no_more(
    issuing: Issuing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0)
    issuer = RemoteIssuer(issuing.url)
    await issuer.key("first")
    issuing.add("second")
    del issuing.keys["first"]
    monkeypatch.setattr(module, "_RENEWED", 0)
    await issuer.key("first")  # Does not wait, but has the keys renewed.
    async with asyncio.timeout(30):
        while issuer._fetching:
            await asyncio.sleep(0.01)
    monkeypatch.setattr(module, "_RENEWED", 300)
    with pytest.raises(UnknownKeyError):
        await issuer.key("first")


@pytest.mark.parametrize("trouble", ["stopped", "failing", "another"])
async def test_keys_are_kept_when_the_issuer_is_away_but_not_for_ever(
    issuing: Issuing, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0)
    monkeypatch.setattr(module, "_RENEWED", 0)
    issuer = RemoteIssuer(issuing.url)
    await issuer.key("first")
    if trouble == "stopped":
        issuing._server.socket.close()
    elif trouble == "failing":
        issuing.status = 500
    else:
        issuing.says_it_is = "https://elsewhere.example.com"
    for _ in range(3):
        assert (await issuer.key("first")).key_id == "first"
        await asyncio.sleep(0.05)
    monkeypatch.setattr(module, "_OUTDATED", 0.01)
    with pytest.raises(IssuerUnreachableError):
        await issuer.key("first")


async def test_without_keys_nobody_can_be_known() -> None:
    with pytest.raises(IssuerUnreachableError):
        await RemoteIssuer("http://127.0.0.1:1").key("first")
