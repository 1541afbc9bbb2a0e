"""Which modules a process serves, where the others are, and what a call of them may cost."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

_NAME = "[a-z][a-z0-9_]*"
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SHORTEST_KEY = 32
"""Bytes, as HMAC with SHA-256 wants them."""


def parse_names(value: str) -> list[str]:
    """Return modules, or their methods: `billing ordering.place`. Raises ValueError."""
    for each in value.split():
        if not re.fullmatch(rf"{_NAME}(\.{_NAME})?", each):
            raise ValueError(f"has {each}, which is no name of a module: write `billing ordering`")
    return value.split()


def parse_addresses(value: str) -> dict[str, str]:
    """Return where modules are: `billing=http://billing:8000`. Raises ValueError."""
    return {name: _address(name, each) for name, each in _pairs(value, "http://billing:8000")}


def parse_timeouts(value: str) -> dict[str, float]:
    """Return the seconds that calls may take: `billing=1 billing.charge=0.5`. Raises ValueError."""
    found = {}
    for name, each in _pairs(value, "1.5"):
        if not re.fullmatch(r"\d{1,5}(\.\d{1,3})?", each) or not float(each):
            raise ValueError(f"has {name}={each}, which is no number of seconds: write {name}=1.5")
        found[name] = float(each)
    return found


def parse_keys(value: str) -> dict[str, bytes]:
    """Return keys by their ids, the one that signs first. Raises ValueError, which quotes none."""
    found: dict[str, bytes] = {}
    for number, each in enumerate(value.split(), 1):
        id, colon, text = each.partition(":")
        if not colon or not _KEY_ID.fullmatch(id):
            raise ValueError(f"has no id before key {number}: write 2026-11:<base64>")
        try:
            key = base64.b64decode(text, validate=True)
        except binascii.Error:
            raise ValueError(
                f"has a key {id} that is no base64: take `openssl rand -base64 32`"
            ) from None
        if len(key) < _SHORTEST_KEY:
            raise ValueError(f"has a key {id} of less than {_SHORTEST_KEY} bytes")
        if id in found:
            raise ValueError(f"has two keys {id}: give each an id of its own")
        found[id] = key
    return found


def _pairs(value: str, example: str) -> Iterator[tuple[str, str]]:
    seen = set()
    for each in value.split():
        name, equals, said = each.partition("=")
        if not equals or not re.fullmatch(rf"{_NAME}(\.{_NAME})?", name):
            raise ValueError(f"has {each}: write `billing={example}`, several separated by spaces")
        if name in seen:
            raise ValueError(f"names {name} twice")
        seen.add(name)
        yield name, said


def _address(name: str, value: str) -> str:
    try:
        parts = urlsplit(value)
        is_fit = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_fit = False
    if is_fit and parts.username is not None:
        raise ValueError(
            f"has {name}, whose address has a password: calls are signed by REMOTE_KEYS"
        )
    if not is_fit or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            f"has {name}={value}, which is no address of a process: write {name}=http://{name}:8000"
        )
    if "." in name:
        raise ValueError(f"has {name}: name the module, whose methods are all at one address")
    return f"{parts.scheme}://{parts.netloc}"


def _names(value: str) -> str:
    parse_names(value)
    return value


def _modules(value: str) -> str:
    if method := next((each for each in parse_names(value) if "." in each), None):
        raise ValueError(f"has {method}: name the module, of which a process serves all or nothing")
    return value


def _addresses(value: str) -> str:
    parse_addresses(value)
    return value


def _timeouts(value: str) -> str:
    parse_timeouts(value)
    return value


def _keys(value: str) -> str:
    parse_keys(value)
    return value


Names = Annotated[str, AfterValidator(_names)]
ModuleNames = Annotated[str, AfterValidator(_modules)]
Addresses = Annotated[str, AfterValidator(_addresses)]
Timeouts = Annotated[str, AfterValidator(_timeouts)]
Keys = Annotated[str, AfterValidator(_keys)]
