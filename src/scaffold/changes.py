"""What a template says of its own faces: what moved, was renamed, changed or went away.

`template-changes.yaml` in the root of a template lists it per release, in the order in which it
happened. What counts for an update is what the new version lists and the old one did not.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scaffold import objects
from scaffold.errors import ScaffoldError

FILE = "template-changes.yaml"
UNRELEASED = "unreleased"
_PLACE = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?::(?P<name>\w+(?:\.\w+)?))?")
_KINDS = {
    "move": {"move", "to"},
    "removed": {"removed", "because"},
    "changed": {"changed", "because"},
}


@dataclass(frozen=True)
class Place:
    """A module, or what stands in it: `app.platform.events:Event`.

    Attributes:
        module: its dotted name.
        name: of what stands in it, or `Class.member`; empty for the module itself.
    """

    module: str
    name: str = ""

    @property
    def dotted(self) -> str:
        """The whole name, as in an expression."""
        return f"{self.module}.{self.name}" if self.name else self.module

    @property
    def is_member(self) -> bool:
        """Whether it is something of a class: which object has it, only types could tell."""
        return "." in self.name

    def __str__(self) -> str:
        """As the file writes it."""
        return f"{self.module}:{self.name}" if self.name else self.module


@dataclass(frozen=True)
class Change:
    """One entry.

    Attributes:
        kind: `move`, `removed` or `changed`.
        place: what it is about, by the name it had.
        to: its new place, if it moved.
        because: what to do about it, if it did not.
    """

    kind: str
    place: Place
    to: Place | None = None
    because: str = field(default="", compare=False)

    def __str__(self) -> str:
        """As people read it."""
        if self.to:
            return f"{self.place} is now {self.to}"
        return (
            f"{self.place} {'was removed' if self.kind == 'removed' else 'changed'}: {self.because}"
        )


@dataclass(frozen=True)
class Release:
    """The entries of one version."""

    version: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Fate:
    """What became of a dotted name.

    Attributes:
        name: its name now; the same where it did not move.
        first: the entry that moved it first.
        module: the module that it is in, as far as entries say.
        ended: the entry that removed it.
        changed: the entries that say it changed.
    """

    name: str
    first: Change | None = None
    module: str = ""
    ended: Change | None = None
    changed: tuple[Change, ...] = ()


class Changes:
    """Entries that have yet to be applied, by release, in the order in which it happened."""

    def __init__(self, releases: Sequence[Sequence[Change]]) -> None:
        self.all = [change for changes in releases for change in changes]
        self.members = [change for change in self.all if change.place.is_member]
        self._releases = [
            [change for change in changes if not change.place.is_member] for changes in releases
        ]

    def __bool__(self) -> bool:
        return bool(self.all)

    def fate(self, name: str) -> Fate:
        """Follow a dotted name, entry by entry; within a release the most specific one counts."""
        found = Fate(name)
        for release in self._releases:
            entries = release
            while found.ended is None:
                covering = [each for each in entries if _covers(each.place, found.name)]
                if not covering:
                    break
                entry = max(covering, key=lambda each: len(each.place.dotted))
                found = _follow(found, entry)
                before = [] if entry.to else entries[: entries.index(entry)]
                entries = before + entries[entries.index(entry) + 1 :]
        return found

    def sentence(self, fate: Fate, verb: str = "is now") -> str:
        """What became of a name, by the entry that says it first: `app.a:X is now app.b:Y`."""
        if fate.ended or fate.first is None:
            return str(fate.ended or fate.name)
        now = self.fate(fate.first.place.dotted)
        if now.ended:
            return str(now.ended)
        name = now.name.removeprefix(now.module).lstrip(".")
        return f"{fate.first.place} {verb} {now.module}{':' if name else ''}{name}"

    def is_left(self, module: str) -> bool:
        """Whether something that stood in a module, or below it, is no longer there."""
        return any(
            change.place.dotted.startswith(f"{module}.") and not change.place.is_member
            for change in self.all
        )


def _covers(place: Place, name: str) -> bool:
    return name == place.dotted or name.startswith(f"{place.dotted}.")


def _follow(found: Fate, entry: Change) -> Fate:
    if entry.to is None:
        if entry.kind == "removed":
            return replace(found, ended=entry)
        return replace(found, changed=(*found.changed, entry))
    old, new = entry.place, entry.to
    behind = found.name.removeprefix(old.dotted)
    is_inside = not old.name and _covers(old, found.module)
    return Fate(
        new.dotted + behind,
        found.first or entry,
        new.module + (found.module.removeprefix(old.module) if is_inside else ""),
        changed=found.changed,
    )


def read(content: bytes, where: str) -> list[Release]:
    """Read the file.

    Raises:
        ScaffoldError: with what is wrong in it.
    """
    import yaml

    try:
        listed = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ScaffoldError(f"{where} is no YAML: {' '.join(str(error).split())}") from None
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise ScaffoldError(f"{where} must be a list of releases, each with version and changes")
    releases = []
    for entry in listed:
        if not isinstance(entry, dict) or not {"version"} <= set(entry) <= {"version", "changes"}:
            raise ScaffoldError(f"{where}: each release has a version and changes, not {entry!r}")
        changes = entry.get("changes") or []
        if not isinstance(changes, list):
            raise ScaffoldError(f"{where}: the changes of {entry['version']} must be a list")
        read_all = tuple(_change(each, where) for each in changes)
        twice = [place for place, n in Counter(each.place for each in read_all).items() if n > 1]
        if twice:
            raise ScaffoldError(f"{where}: {entry['version']} has {twice[0]} twice")
        for each in read_all:
            name = each.place.dotted
            if each.to and not each.place.is_member and Changes([read_all]).fate(name).name == name:
                raise ScaffoldError(
                    f"{where}: {entry['version']} moves {each.place} away and back; leave both out"
                )
        releases.append(Release(str(entry["version"]), read_all))
    return releases


def _change(entry: Any, where: str) -> Change:
    kinds = [kind for kind in _KINDS if isinstance(entry, dict) and kind in entry]
    if len(kinds) != 1 or set(entry) != _KINDS[kinds[0]]:
        raise ScaffoldError(
            f"{where}: {entry!r} is none of move and to, removed and because, changed and because"
        )
    kind = kinds[0]
    place = _place(entry[kind], where)
    if kind != "move":
        if not isinstance(entry["because"], str) or not entry["because"].strip():
            raise ScaffoldError(f"{where}: {place} needs a sentence after because")
        return Change(kind, place, because=" ".join(entry["because"].split()))
    to = _place(entry["to"], where)
    if bool(place.name) != bool(to.name) or place.is_member != to.is_member or place == to:
        raise ScaffoldError(
            f"{where}: {place} cannot move to {to}; a module moves to a module, a name to a name"
        )
    return Change(kind, place, to)


def _place(text: Any, where: str) -> Place:
    found = _PLACE.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise ScaffoldError(f"{where}: {text!r} is no place; write app.platform.events:Event")
    return Place(found["module"], found["name"] or "")


def at(repository: Path, revision: str, where: str = "") -> list[Release]:
    """Read the file as it stands in a revision; where there is none, nothing is listed."""
    tree = objects.tree_of(repository, revision)
    if FILE not in tree:
        return []
    (content,) = objects.read_blobs(repository, [tree[FILE][1]])
    return read(content, where or f"{FILE} at {revision}")


def since(new: Sequence[Release], old: Sequence[Release]) -> Changes:
    """What a newer file lists and an older one does not, by entry: sections may have been renamed.

    An entry that comes twice, because something went back and forth, counts twice.
    """
    known = Counter(change for release in old for change in release.changes)
    return Changes([list(_unknown(release, known)) for release in new])


def _unknown(release: Release, known: Counter[Change]) -> Iterator[Change]:
    for change in release.changes:
        if known[change]:
            known[change] -= 1
        else:
            yield change
