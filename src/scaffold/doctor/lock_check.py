"""Whether uv.lock says what pyproject.toml says. What uv alone can tell is left to `make lock`."""

import re
from collections.abc import Iterator
from typing import Any

from scaffold.doctor.broken_checks import parsed_toml
from scaffold.doctor.finding import Finding
from scaffold.doctor.seen import Seen

_ITSELF = re.compile(r'^source = \{ (?:editable|virtual) = "\." \}', re.MULTILINE)
_REQUIREMENT = re.compile(r"\s*([\w.-]+)\s*(?:\[[^\]]*\])?\s*([^;]*)")


def stale_lock(seen: Seen) -> Iterator[Finding]:
    """Find a uv.lock that was written for another pyproject.toml."""
    project, locked = parsed_toml(seen, "pyproject.toml"), _locked(seen)
    if project is None or locked is None:
        return
    about, uv = project.get("project", {}), project.get("tool", {}).get("uv", {})
    if about.get("dynamic") or "optional-dependencies" in about or "dev-dependencies" in uv:
        return
    groups = project.get("dependency-groups", {})
    wanted = {"": about.get("dependencies", [])}
    wanted |= {_canonical(name): _group(groups, name) for name in groups}
    metadata = locked.get("package", {}).get("metadata", {})
    there = {"": metadata.get("requires-dist", []), **metadata.get("requires-dev", {})}
    elsewhere = {_canonical(name) for name in uv.get("sources", {})}
    differ = {
        name
        for group in wanted.keys() | there.keys()
        for name in _differ(wanted.get(group, []), there.get(group, []))
    } - elsewhere
    if differ:
        yield Finding(
            f"uv.lock does not say what pyproject.toml says of {', '.join(sorted(differ))}",
            "Write it anew, and commit it.",
            "uv lock",
            ("uv.lock", "pyproject.toml"),
            {"packages": sorted(differ)},
        )


def _locked(seen: Seen) -> dict[str, Any] | None:
    """What uv.lock says of the repository itself: one of its many paragraphs."""
    import tomllib

    text = (seen.read("uv.lock") or b"").decode(errors="replace").replace("\r\n", "\n")
    for paragraph in text.split("[[package]]\n")[1:]:
        if _ITSELF.search(paragraph):
            try:
                return tomllib.loads(paragraph)
            except ValueError:
                return None
    return None


def _group(groups: Any, name: str) -> list[str]:
    """The requirements of a group, with those of the groups that it includes."""
    found: list[str] = []
    for each in groups.get(name, []):
        if isinstance(each, str):
            found.append(each)
        else:  # A group that includes itself is uv's to refuse.
            others = {key: value for key, value in groups.items() if key != name}
            found += _group(others, each.get("include-group", ""))
    return found


def _differ(requirements: list[str], locked: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the packages of which a list of requirements and the lock say different things."""
    ours: dict[str, set[str]] = {}
    theirs: dict[str, set[str]] = {}
    by_address = set()
    for each in requirements:
        if found := _REQUIREMENT.match(each):
            name = _canonical(found[1])
            ours.setdefault(name, set()).add(found[2])
            if "@" in each:
                by_address.add(name)
    for entry in locked:
        theirs.setdefault(_canonical(entry["name"]), set()).add(entry.get("specifier", ""))
    for name in (ours.keys() | theirs.keys()) - by_address:
        if not _same(ours.get(name), theirs.get(name)):
            yield name


def _same(one: set[str] | None, other: set[str] | None) -> bool:
    if one is None or other is None:
        return one == other
    if {_parts(each) for each in one} == {_parts(each) for each in other}:
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return {SpecifierSet(each.strip(" ()")) for each in one} == set(map(SpecifierSet, other))
    except InvalidSpecifier:
        return True  # `uv lock` says what is wrong.


def _parts(specifier: str) -> frozenset[str]:
    parts = specifier.strip(" ()").split(",")
    return frozenset(re.sub(r"\s", "", part) for part in parts if part.strip())


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
