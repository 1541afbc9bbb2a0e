"""Signatures: in the form that others know, by keys that change, and good for once."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from http_message_signatures import (
    algorithms,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
)

from app.platform.remote.signing import claims, Headers, SignatureError, Signer, Verifier

from ..clock import Clock

OLD, NEW = {"old": b"o" * 32}, {"new": b"n" * 32}
PATH, BODY = "/_modules/billing/charge", b'{"amount":"1.10"}'


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


def signed(clock: Callable[[], float], keys: dict[str, bytes] = NEW, body: bytes = BODY) -> Headers:
    return Signer(keys, clock).sign(PATH, body, claims("request-7", "ada", 1.5, 0.25))


def verify(verifier: Verifier, headers: Headers, path: str = PATH, body: bytes = BODY) -> None:
    verifier.verify(path, headers)
    verifier.check_body(headers, body)


class Resolver(HTTPSignatureKeyResolver):
    def resolve_public_key(self, key_id: str) -> bytes:
        return NEW[key_id]

    def resolve_private_key(self, key_id: str) -> bytes:
        return NEW[key_id]


def by_others(headers: Headers) -> Any:
    """What a library that knows nothing of us says."""
    verifier = HTTPMessageVerifier(
        signature_algorithm=algorithms.HMAC_SHA256, key_resolver=Resolver()
    )
    message = SimpleNamespace(method="POST", url=f"http://billing:8000{PATH}", headers=headers)
    return verifier.verify(message, max_age=timedelta(seconds=30))


def test_a_library_of_others_verifies_it() -> None:
    import time

    headers = signed(time.time)
    (result,) = by_others(headers)
    assert set(result.covered_components) == {
        '"@method"',
        '"@path"',
        '"content-digest"',
        '"x-request-id"',
        '"x-principal"',
        '"x-call-timeout"',
        '"x-committed-ago"',
        '"@signature-params"',
    }
    headers["x-principal"] = "eve"
    with pytest.raises(InvalidSignature):
        by_others(headers)


def test_the_first_key_signs_and_all_verify(clock: Clock) -> None:
    for keys in (NEW | OLD, OLD | NEW):
        assert f'keyid="{next(iter(keys))}"' in signed(clock, keys)["signature-input"]
        for signing in (NEW, OLD):
            verify(Verifier(keys, clock), signed(clock, signing))


def test_keys_are_exchanged_while_everything_runs(clock: Clock) -> None:
    """Each step reaches one process after the other: before and behind it, both must be understood."""
    steps = [OLD, OLD | NEW, NEW | OLD, NEW]
    for before, after in pairwise(steps):
        verify(Verifier(before, clock), signed(clock, after))
        verify(Verifier(after, clock), signed(clock, before))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-principal", "eve"),
        ("x-request-id", "another"),
        ("x-call-timeout", "9.000"),
        ("x-committed-ago", ""),
        ("content-digest", "sha-256=:AAAA:"),
    ],
)
def test_nothing_that_is_covered_can_be_changed(clock: Clock, name: str, value: str) -> None:
    with pytest.raises(SignatureError, match="changed on its way"):
        verify(Verifier(NEW, clock), signed(clock) | {name: value})


def test_it_is_good_for_its_path_and_its_body_alone(clock: Clock) -> None:
    with pytest.raises(SignatureError, match="changed on its way"):
        verify(Verifier(NEW, clock), signed(clock), path="/_modules/billing/refund")
    with pytest.raises(SignatureError, match="body was changed"):
        verify(Verifier(NEW, clock), signed(clock), body=b"{}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda headers: headers.clear(), "not signed"),
        (lambda headers: headers.pop("signature"), "changed on its way"),
        (lambda headers: headers.pop("x-principal"), "a header is missing"),
        (lambda headers: headers.update(signature="call=:AAAA:"), "changed on its way"),
        (lambda headers: headers.update(signature="call=:\xff:"), "changed on its way"),
    ],
)
def test_without_a_signature_nothing_passes(
    clock: Clock, change: Callable[[Headers], object], said: str
) -> None:
    headers = signed(clock)
    change(headers)
    with pytest.raises(SignatureError, match=said):
        verify(Verifier(NEW, clock), headers)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"@path" ', ""),
        ('"content-digest" ', ""),
        ("hmac-sha256", "none"),
        ("expires=1", "expires=9"),
        (";expires=", ";expires=x"),
        ('tag="module-call"', 'tag="other"'),
        ("call=", "sig1="),
    ],
)
def test_no_other_form_passes(clock: Clock, old: str, new: str) -> None:
    headers = signed(clock)
    headers["signature-input"] = headers["signature-input"].replace(old, new)
    with pytest.raises(SignatureError):
        verify(Verifier(NEW, clock), headers)


def test_another_key_does_not_pass(clock: Clock) -> None:
    with pytest.raises(SignatureError, match="key is not known"):
        verify(Verifier(OLD, clock), signed(clock))
    with pytest.raises(SignatureError, match="another key of that name"):
        verify(Verifier({"new": b"x" * 32}, clock), signed(clock))


def test_it_passes_once(clock: Clock) -> None:
    verifier, headers = Verifier(NEW, clock), signed(clock)
    verify(verifier, headers)
    for seconds in (0, 34):
        clock.now += seconds
        with pytest.raises(SignatureError, match="a second time"):
            verify(verifier, headers)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-6, "from the future"), (-4, None), (0, None), (34, None), (36, "expired")],
)
def test_clocks_may_differ_by_a_little(clock: Clock, seconds: float, said: str | None) -> None:
    headers = signed(clock)
    clock.now += seconds
    if said is None:
        verify(Verifier(NEW, clock), headers)
    else:
        with pytest.raises(SignatureError, match=said):
            verify(Verifier(NEW, clock), headers)


def test_what_has_passed_is_forgotten_once_it_has_expired(clock: Clock) -> None:
    verifier = Verifier(NEW, clock)
    for _ in range(100):
        verify(verifier, signed(clock))
    clock.now += 60
    verify(verifier, signed(clock))
    assert len(verifier._passed) == 1


def test_what_has_passed_takes_a_bounded_room(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.platform.remote.signing._MOST_NONCES", 3)
    verifier = Verifier(NEW, clock)
    for _ in range(10):
        verify(verifier, signed(clock))
    assert len(verifier._passed) == 3


def test_a_signer_uses_no_nonce_twice(clock: Clock) -> None:
    assert signed(clock)["signature"] != signed(clock)["signature"]


def test_nobody_has_no_name(clock: Clock) -> None:
    headers = Signer(NEW, clock).sign(PATH, b"", claims("", "", 0.001, None))
    verify(Verifier(NEW, clock), headers, body=b"")
