"""Settings of modules in other processes: what is wrong is one sentence, and quotes no key."""

import base64

import pytest

from app.platform.settings.remote import parse_addresses, parse_keys, parse_timeouts
from app.platform.settings.settings import load_settings, SettingsError

KEY = base64.b64encode(b"k" * 32).decode()
ELSEWHERE = {"REMOTE_MODULES": "billing=http://b:1", "REMOTE_KEYS": f"a:{KEY}"}


def test_what_is_said_is_understood() -> None:
    assert parse_addresses("billing=http://billing:8000/ a_b=https://[::1]") == {
        "billing": "http://billing:8000",
        "a_b": "https://[::1]",
    }
    assert parse_timeouts("billing=1 billing.charge=0.5") == {"billing": 1, "billing.charge": 0.5}
    assert list(parse_keys(f"2026-11:{KEY}  2026-10:{KEY}\n")) == ["2026-11", "2026-10"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"MODULES": "billing.charge"}, "MODULES: has billing.charge: name the module, of which"),
        ({"MODULES": "billing,ordering"}, "MODULES: has billing,ordering, which is no name of a"),
        ({"REMOTE_MODULES": "billing"}, "REMOTE_MODULES: has billing: write `billing=http://"),
        ({"REMOTE_MODULES": "billing=b:1"}, "REMOTE_MODULES: has billing=b:1, which is no address"),
        ({"REMOTE_MODULES": "a=http://b:x"}, "REMOTE_MODULES: has a=http://b:x, which is no addre"),
        ({"REMOTE_MODULES": "a=http://b/c"}, "REMOTE_MODULES: has a=http://b/c, which is no addre"),
        ({"REMOTE_MODULES": "a=http://u:p@b"}, "REMOTE_MODULES: has a, whose address has a pass"),
        ({"REMOTE_MODULES": "a=http://b a=http://c"}, "REMOTE_MODULES: names a twice"),
        ({"REMOTE_MODULES": "a.b=http://b"}, "REMOTE_MODULES: has a.b: name the module, whose"),
        (
            {"REMOTE_MODULES": "a=http://b"},
            "REMOTE_KEYS: is not set, and signs the calls of REMOTE",
        ),
        (
            ELSEWHERE | {"MODULES": "billing"},
            "REMOTE_MODULES: has billing, which this process serv",
        ),
        ({"REMOTE_KEYS": "secret"}, "REMOTE_KEYS: has no id before key 1: write 2026-11:<base64>"),
        ({"REMOTE_KEYS": "a:secret!"}, "REMOTE_KEYS: has a key a that is no base64: take `openssl"),
        ({"REMOTE_KEYS": "a:c2hvcnQ="}, "REMOTE_KEYS: has a key a of less than 32 bytes"),
        ({"REMOTE_KEYS": f"a:{KEY} a:{KEY}"}, "REMOTE_KEYS: has two keys a: give each an id"),
        ({"REMOTE_TIMEOUTS": "billing=0"}, "REMOTE_TIMEOUTS: has billing=0, which is no number of"),
        ({"REMOTE_TIMEOUTS": "billing=-1"}, "REMOTE_TIMEOUTS: has billing=-1, which is no number"),
        ({"REMOTE_TIMEOUTS": "billing=nan"}, "REMOTE_TIMEOUTS: has billing=nan, which is no numbe"),
        ({"REMOTE_TIMEOUTS": "billing=31"}, "REMOTE_TIMEOUTS: gives billing longer than REQUEST_T"),
        ({"REMOTE_OFF": "Billing"}, "REMOTE_OFF: has Billing, which is no name of a module"),
        ({"REMOTE_CONCURRENCY": "0"}, "REMOTE_CONCURRENCY: Input should be greater than or equal"),
    ],
)
def test_what_is_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a:long-enough-secret@c/d")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as wrong:
        load_settings()
    assert str(wrong.value).startswith(said)
    assert "secret" not in str(wrong.value)
    assert KEY not in str(wrong.value)
