"""Checks of modules: who owns them, what became of their names, which walls they pass."""

import io
import os
import re
import tokenize
from collections.abc import Iterator
from datetime import date
from typing import Any

from scaffold import codeowners, plan, repository
from scaffold.doctor import broken_checks
from scaffold.doctor.finding import Finding
from scaffold.doctor.seen import Seen

_MODULES = repository.MODULES.as_posix()
_LINE = re.compile(rf"^/{_MODULES}/(\w+)/\s+(.+?)\s*$".encode(), re.MULTILINE)
MOVED = f"{_MODULES}/moved.toml"
_PATIENCE = 14
"""Days after which a rename should be finished."""
_REASON = re.compile(r"#\s*sql:\s*(\S.*)")


def owners(seen: Seen) -> Iterator[Finding]:
    """Find modules whose line in CODEOWNERS is not what their module.toml says."""
    missing, gone, others = _drift(seen)
    path = _codeowners(seen)
    if missing or gone:
        parts = [f"has no line of {', '.join(missing)}"] if missing else []
        parts += [f"names {', '.join(gone)}, which is gone"] if gone else []
        yield Finding(
            f"{path} {' and '.join(parts)}",
            "Each module has one line, with the owner that its module.toml says.",
            "scaffold doctor --fix",
            (path,),
            {"missing": missing, "gone": gone},
        )
    for module, (said, owner) in others.items():
        yield Finding(
            f"{path} gives {module} to {said}, its module.toml to {owner}",
            "Write the right one in both.",
            places=(path, f"{_MODULES}/{module}/module.toml"),
        )


def mend_owners(seen: Seen) -> list[plan.Change]:
    """Add lines of modules that have none, and take out those of modules that are gone."""
    missing, gone, _ = _drift(seen)
    if not missing and not gone:
        return []
    path = _codeowners(seen)
    before = seen.read(path) or b""
    kept = [
        line
        for line in before.splitlines(keepends=True)
        if not ((found := _LINE.match(line)) and found[1].decode() in gone)
    ]
    after = b"".join(kept)
    for module in missing:
        settings = next(each.settings for each in seen.modules if each.name == module)
        owner = settings["owner"] if settings else ""
        after = codeowners.with_line(after, f"{_MODULES}/{module}", owner, seen.root / path)
    return [plan.Change(path, before, after)]


def _codeowners(seen: Seen) -> str:
    return os.path.relpath(codeowners.find(seen.root), seen.root).replace(os.sep, "/")


def _drift(seen: Seen) -> tuple[list[str], list[str], dict[str, tuple[str, str]]]:
    """Modules without a line, lines without a module, and owners by module as both files say."""
    content = seen.read(_codeowners(seen))
    if content is None or b"<<<<<<< " in content:  # SC-010 and SC-011 say so.
        return [], [], {}
    lines: dict[str, list[str]] = {}
    for name, owner in _LINE.findall(content):
        lines.setdefault(name.decode(), []).append(owner.decode(errors="replace"))
    owned = {each.name: each.settings["owner"] for each in seen.modules if each.settings}
    there = {each.name for each in seen.modules}
    others = {
        name: (" and ".join(said), owned[name])
        for name, said in lines.items()
        if name in owned and said != [owned[name]]
    }
    return (
        [name for name, owner in owned.items() if owner and name not in lines],
        sorted(lines.keys() - there),
        others,
    )


def unfinished_renames(seen: Seen) -> Iterator[Finding]:
    """Find modules whose old name has stood in for the new one for long."""
    for old, (new, day) in stand_ins(seen).items():
        days = (seen.today - day).days
        if days >= _PATIENCE:
            yield Finding(
                f"{old} was renamed to {new} {days} days ago, and what stands in for the old name "
                "is still there",
                "Once no release that runs uses the old name, take it away.",
                f"scaffold rename-module --finish {old}",
                (MOVED,),
                {"old": old, "new": new, "on": day.isoformat()},
            )


def stand_ins(seen: Seen) -> dict[str, tuple[str, date]]:
    """Old names that still stand in for new ones: the new name, and when that came."""
    read = broken_checks.parsed_toml(seen, MOVED) or {}
    entries = read.get("moved")
    found: dict[str, tuple[str, date]] = {}
    for entry in entries if isinstance(entries, list) else []:
        old, new, day = entry.get("rename"), entry.get("to"), entry.get("on")
        if old and new and isinstance(day, date):
            found[str(old)] = (str(new), day)
        found.pop(str(entry.get("finish")), None)
        gone = entry.get("remove")
        found = {name: each for name, each in found.items() if gone not in (name, each[0])}
    return found


def boundary_exceptions(seen: Seen) -> Iterator[Finding]:
    """Find where a module's code is excepted from the walls between modules."""
    places = [place for module in seen.modules for place in _unread(seen, module.name)]
    if places:
        yield Finding(
            f"SQL that the walls leave unread, for a reason that stands there: {', '.join(places)}",
            "Write the statement so that it can be read, with values as parameters.",
            places=tuple(places),
        )
    ours = broken_checks.parsed_toml(seen, "pyproject.toml")
    if ours is None or "pyproject.toml" not in seen.rendered:
        return
    import tomllib

    theirs = tomllib.loads(seen.rendered["pyproject.toml"].content.decode())
    now, delivered = _contracts(ours), _contracts(theirs)
    for name, contract in delivered.items():
        if name not in now:
            yield Finding(
                f"pyproject.toml has no contract “{name}” any more",
                "Put it back, or nothing holds this wall.",
                places=("pyproject.toml",),
            )
            continue
        ignored = sorted(_ignored(now[name]) - _ignored(contract))
        if ignored:
            yield Finding(
                f"pyproject.toml excepts from “{name}”: {', '.join(ignored)}",
                "Go through the interface, or move what both need below them.",
                places=("pyproject.toml",),
                details={"contract": name, "ignored": ignored},
            )


def _unread(seen: Seen, module: str) -> Iterator[str]:
    folder = seen.root / _MODULES / module
    for file in sorted(folder.rglob("*.py")):
        content = file.read_bytes()
        if b"sql:" not in content or "tests" in file.relative_to(folder).parts:
            continue
        try:
            tokens = list(tokenize.tokenize(io.BytesIO(content).readline))
        except (tokenize.TokenError, SyntaxError, ValueError):
            continue
        for token in tokens:
            if token.type == tokenize.COMMENT and _REASON.fullmatch(token.string):
                yield f"{file.relative_to(seen.root).as_posix()}:{token.start[0]}"


def _contracts(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    settings = project.get("tool", {}).get("importlinter", {})
    found = settings.get("contracts", []) if isinstance(settings, dict) else []
    return {str(each.get("name")): each for each in found if isinstance(each, dict)}


def _ignored(contract: dict[str, Any]) -> set[str]:
    return set(map(str, contract.get("ignore_imports", [])))


def expired_flags(seen: Seen) -> Iterator[Finding]:
    """Find flags that should be gone."""
    import json

    for module in seen.modules:
        path = f"{_MODULES}/{module.name}/flags.json"
        content = seen.read(path)
        try:
            flags = json.loads(content)["flags"] if content is not None else {}
            ends = {name: date.fromisoformat(f["metadata"]["expires"]) for name, f in flags.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # `make flags` says what is wrong.
        for name, day in ends.items():
            if day < seen.today:
                yield Finding(
                    f"the flag {module.name}.{name} expired on {day}",
                    "Keep one of the two ways in the code and take the flag out, or say until "
                    "when it is needed.",
                    places=(path,),
                    details={"flag": f"{module.name}.{name}", "expired": day.isoformat()},
                )
