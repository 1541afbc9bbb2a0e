"""What carving writes into files that are the team's: lines that it can take out again."""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from scaffold.carving.services import SERVICES
from scaffold.errors import ScaffoldError
from scaffold.repository import ANSWERS, load_yaml

_TABLE = r"\n\[service\]\nbecause = \"[a-z]+\"\n(?=\n|\[|\Z)"
_BASE = r"(?P<quote>[\"']?)\.\./\.\./base/?(?P=quote)(?![\w/.-])"
_LISTED = re.compile(rf"^(?P<indent>[ \t]*-[ \t]+){_BASE}.*$", re.MULTILINE)
_SERVICES = "../../services"
_RESOURCES = re.compile(r"^resources:[^\n]*(?:\n(?:[ \t]*-|[ \t]+)[^\n]*)*", re.MULTILINE)
BESIDE = (
    "# Services run beside, and are not called yet: without these two lines they are"
    " (docs/deployment.md).\nREMOTE_MODULES=\n"
)
_SHARED = "# Services need connections as well: `make manifests` counts them.\n"
_POOLS = ("DATABASE_POOL_SIZE", "WORKER_CONCURRENCY")


def with_answer(content: bytes, services: Mapping[str, Any]) -> bytes:
    """Record which modules are services; none leaves the answer out."""
    import yaml

    text = content.decode()
    text = re.sub(rf"^{SERVICES}:[^\n]*\n(?:[ \t]+[^\n]*\n?|-[^\n]*\n?)*", "", text, flags=re.M)
    if services:
        ended = text if text.endswith("\n") else f"{text}\n"
        text = ended + yaml.safe_dump({SERVICES: dict(services)}, indent=4, sort_keys=True)
    before = load_yaml(content)
    wanted = {key: value for key, value in before.items() if key != SERVICES}
    if load_yaml(text) != (wanted | {SERVICES: dict(services)} if services else wanted):
        raise ScaffoldError(f"{ANSWERS} is not as Copier writes it; restore it from git")
    return text.encode()


def with_reason(content: bytes, because: str) -> bytes:
    """Say in module.toml why it is a service."""
    end = "" if content.endswith(b"\n") else "\n"
    table = f'{end}\n[service]\nbecause = "{because}"\n'
    return content + _like(content, table)


def without_reason(content: bytes, path: str) -> bytes:
    """Take that out again, unless somebody has."""
    text = content.decode().replace("\r\n", "\n")
    found = re.search(_TABLE, text)
    if not found:
        if "service" not in tomllib.loads(text):
            return content
        raise ScaffoldError(
            f"[service] in {path} is not as carving wrote it; take it out yourself, commit that, "
            "and try again"
        )
    return _like(content, text[: found.start()] + text[found.end() :])


def with_services(content: bytes) -> bytes | None:
    """Let an overlay's kustomization take services beside the base; none where it takes no base."""
    text = content.decode()
    resources = _RESOURCES.search(text)
    if not resources:
        return None
    if re.search(r"\.\./\.\./services\b", resources[0]):
        return content
    listed = _LISTED.search(resources[0])
    base = listed or re.search(_BASE, resources[0])
    if not base:
        return None
    at = resources.start() + base.end()
    more = f"\n{listed['indent']}{_SERVICES}" if listed else f", {_SERVICES}"
    after = (text[:at] + more + text[at:]).encode()
    before = load_yaml(content).get("resources")
    wanted = sorted([*before, _SERVICES]) if isinstance(before, list) else None
    return after if sorted(load_yaml(after).get("resources", ())) == wanted else None


def without_services(content: bytes) -> bytes:
    """Take services out of an overlay's kustomization."""
    text = content.decode()
    resources = _RESOURCES.search(text)
    if not resources:
        return content
    left = re.sub(
        r",[ \t]*\.\./\.\./services\b|\n[ \t]*-[ \t]+\.\./\.\./services\b[^\n]*", "", resources[0]
    )
    return (text[: resources.start()] + left + text[resources.end() :]).encode()


def with_pause(content: bytes, base: bytes) -> bytes:
    """Let the settings of an overlay call nothing elsewhere yet, and leave connections for others.

    Args:
        content: the overlay's settings.
        base: those of the base, of which half the connections are taken.
    """
    text, defaults = content.decode(), _variables(base)
    there = _variables(content)
    pools = "".join(
        f"{name}={max(1, int(defaults[name]) // 2)}\n"
        for name in _POOLS
        if name not in there and defaults.get(name, "").isdigit()
    )
    text = text if text.endswith("\n") or not text else f"{text}\n"
    return (text + (_SHARED + pools if pools else "") + BESIDE).encode()


def without_pause(content: bytes, path: str) -> bytes:
    """Take that out again, and what a team has left of it."""
    text = content.decode().replace(BESIDE, "")
    pools = "|".join(_POOLS)
    text = re.sub(rf"^{re.escape(_SHARED)}(?:(?:{pools})=\d+\n)*", "", text, flags=re.MULTILINE)
    if re.search(r"^\s*REMOTE_MODULES=.", text, re.MULTILINE):
        raise ScaffoldError(
            f"{path} sets REMOTE_MODULES; take it out, commit that, and try again: without "
            "services there is nothing elsewhere"
        )
    return re.sub(r"^REMOTE_MODULES=\s*\n", "", text, flags=re.MULTILINE).encode()


def check_not_called(content: bytes, path: str, name: str) -> None:
    """Refuse to take a service away that an overlay says where it is."""
    called = _variables(content).get("REMOTE_MODULES", "").split()
    if name in (each.partition("=")[0] for each in called):
        raise ScaffoldError(
            f"{path} has {name} in REMOTE_MODULES; take it out, commit that, and try again: "
            "without it, nobody answers there"
        )


def check_called(content: bytes, path: str, name: str) -> None:
    """Refuse where an overlay has a module called in its callers' processes."""
    called = _variables(content).get("REMOTE_MODULES")
    if called is not None and name not in (each.partition("=")[0] for each in called.split()):
        raise ScaffoldError(
            f"{path} has REMOTE_MODULES without {name}, so that others work on its tables in the "
            f"main database; take that line out, or add {name}, deploy that, and try again"
        )


def with_type(content: bytes, old: str, new: str) -> bytes:
    """Let Backstage's entity of a module be of another type."""
    return re.sub(
        rf"^(  type: ){old}$", rf"\g<1>{new}", content.decode(), count=1, flags=re.M
    ).encode()


def _variables(content: bytes) -> dict[str, str]:
    lines = (line.partition("=") for line in content.decode().splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in lines if not name.startswith("#")}


def _like(content: bytes, text: str) -> bytes:
    """A text with the line ends of what it is added to, or was taken out of."""
    return (text.replace("\n", "\r\n") if b"\r\n" in content else text).encode()
