"""What a release breaks for those who wrote against the platform's faces, as griffe sees it.

Types are not compared: whether a wider one breaks anybody, only their code could tell.
"""

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import griffe

from scaffold import objects
from scaffold.changes import Change, Changes, Place
from scaffold.errors import ScaffoldError

_APP = "template/src/app/"
_FACES = "template/checks/faces.py"
_HARMLESS = {
    griffe.BreakageKind.PARAMETER_CHANGED_DEFAULT,
    griffe.BreakageKind.ATTRIBUTE_CHANGED_VALUE,
}


@dataclass(frozen=True, order=True)
class Breakage:
    """One thing that may stop a team's code from working.

    Attributes:
        place: what it is about, as `template-changes.yaml` would write it.
        what: in words.
    """

    place: str
    what: str


class Version:
    """The platform at one commit, read and never run.

    Args:
        repository: of the template.
        revision: commit or tag.
        folder: an empty one, for its files.
    """

    def __init__(self, repository: Path, revision: str, folder: Path) -> None:
        tree = objects.tree_of(repository, revision)
        paths = [path for path in tree if path.startswith(_APP) and path.endswith(".py")]
        paths = [path for path in paths if "{" not in path] + [_FACES] * (_FACES in tree)
        contents = objects.read_blobs(repository, [tree[path][1] for path in paths])
        files = dict(zip(paths, contents, strict=True))
        self.faces = _faces(files.pop(_FACES, b""))
        for path, content in files.items():
            place = folder / "app" / path.removeprefix(_APP)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        (folder / "app").mkdir(exist_ok=True)
        (folder / "app/__init__.py").touch()
        loader = griffe.GriffeLoader(search_paths=[os.fspath(folder)], allow_inspection=False)
        self._package = loader.load("app")
        loader.resolve_aliases(implicit=True, external=False)

    def find(self, dotted: str) -> griffe.Object | None:
        """What stands under a name, wherever it was defined."""
        found: griffe.Object | griffe.Alias = self._package
        for part in dotted.split(".")[1:]:
            try:
                found = found.members[part]
                if isinstance(found, griffe.Alias):
                    found = found.final_target
            except (KeyError, griffe.AliasResolutionError, griffe.CyclicAliasError):
                return None
        return found if isinstance(found, griffe.Object) else None


def unexplained(old: Version, new: Version, changes: Changes) -> list[Breakage]:
    """What breaks at the faces and has no entry."""
    found = []
    for place in sorted(old.faces or new.faces, key=str):
        before = old.find(place.dotted)
        if before is None:
            continue
        fate = changes.fate(place.dotted)
        after = new.find(fate.name)
        is_face = not new.faces or fate.name in {each.dotted for each in new.faces}
        for inside, what in _breakages(before, after, is_face):
            names = {f"{name}{inside}" for name in (place.dotted, fate.name)}
            if not any(_explains(change, name) for change in changes.all for name in names):
                found.append(Breakage(f"{place}{inside}", what))
    return sorted(set(found))


def missing(new: Version, changes: Changes) -> list[Breakage]:
    """Entries that move something to where nothing is."""
    return [
        Breakage(str(change.place), f"moves to {fate.name}, and that is not there")
        for change in changes.all
        if change.to and not change.place.is_member
        for fate in [changes.fate(change.place.dotted)]
        if fate.ended is None and fate.name.startswith("app.") and new.find(fate.name) is None
    ]


def _explains(change: Change, name: str) -> bool:
    """Whether an entry tells of a breakage: where something is, is not yet how it changed."""
    is_there = name == change.place.dotted
    if change.to:
        return is_there and change.place.is_member
    return is_there or name.startswith(f"{change.place.dotted}.")


def _breakages(
    before: griffe.Object, after: griffe.Object | None, is_face: bool
) -> Iterator[tuple[str, str]]:
    """Each as what it is inside of the place, with a dot before it, and what it is."""
    if after is None:
        yield "", "is gone"
        return
    if not is_face:
        yield "", "is no face any more"
    for breakage in griffe.find_breaking_changes(_alone(before), _alone(after)):
        if breakage.kind not in _HARMLESS:
            values = (breakage.old_value, breakage.new_value)
            name = next((x.name for x in values if isinstance(x, griffe.Parameter)), "")
            inside = breakage.obj.path.removeprefix(before.path).removeprefix(after.path)
            yield inside, f"{name}: {breakage.kind.value}" if name else breakage.kind.value
    yield from _awaited(before, after, "")


def _alone(member: griffe.Object) -> griffe.Module:
    """A module of one public member, which is how griffe takes what it compares."""
    module = griffe.Module("faces")
    member.public = True
    module.members["face"] = member
    return module


def _awaited(before: griffe.Object, after: griffe.Object, inside: str) -> Iterator[tuple[str, str]]:
    both = before.is_function and after.is_function
    if both and ("async" in before.labels) != ("async" in after.labels):
        yield inside, "is awaited in one version and not in the other"
    for name, member in before.members.items():
        other = after.members.get(name)
        if isinstance(member, griffe.Object) and isinstance(other, griffe.Object):
            yield from () if name[0] == "_" else _awaited(member, other, f"{inside}.{name}")


def _faces(content: bytes) -> set[Place]:
    """What modules and their tests may use, as the template's own check has it."""
    known: dict[str, Any] = {"frozenset": frozenset, "__builtins__": {}}
    for node in ast.parse(content).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                if name in ("FACES", "TEST_FACES"):
                    known[name] = eval(compile(ast.Expression(value), _FACES, "eval"), known)
    if content and "FACES" not in known:
        raise ScaffoldError(f"{_FACES} does not say FACES as it did; teach src/release/faces.py")
    return {
        Place(f"app.platform.{module}", name)
        for faces in ("FACES", "TEST_FACES")
        for module, names in known.get(faces, {}).items()
        for name in names
    }
