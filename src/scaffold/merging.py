"""A three-way merge of file maps, in a repository of its own: nothing is written to the real one.

git's own merge does the work, on commits made for it. A killed run leaves a temporary folder.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scaffold import objects
from scaffold.errors import ScaffoldError
from scaffold.objects import Tree

_BASE = re.compile(rb"^\|{7} [0-9a-f]{4,64}$", re.MULTILINE)
_REGULAR = ("100644", "100755")
_USAGE = 129
"""How git says that it does not know an option."""


@dataclass(frozen=True)
class Stages:
    """What git knows of a path in conflict: mode and hash in base, ours and theirs."""

    base: tuple[str, str] | None = None
    ours: tuple[str, str] | None = None
    theirs: tuple[str, str] | None = None

    @property
    def kind(self) -> str:
        """What is in conflict, in words."""
        if self.base is None:
            return "both added" if self.ours and self.theirs else "both want the path"
        if self.ours is None:
            return "deleted by you, changed by the template"
        if self.theirs is None:
            return "dropped by the template, edited by you"
        if self.ours[1] == self.theirs[1]:
            return "mode"
        return "content"


@dataclass
class Merged:
    """What a merge came to.

    Attributes:
        files: mode and hash by path, with markers where files conflict.
        conflicts: stages by path.
        mixed: stages of what both sides have changed, by path.
        commits: that hold what the stages name.
    """

    files: Tree
    conflicts: dict[str, Stages] = field(default_factory=dict)
    mixed: dict[str, Stages] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)


class Scratch:
    """A bare repository in a temporary folder that reads the objects of a real one.

    Args:
        folder: where it is.
        repository: the real one.
        ours: files that are committed there.
    """

    def __init__(self, folder: Path, repository: Path, ours: Tree) -> None:
        self.folder = folder
        self._repository = repository
        there: dict[str, str] = {}
        self._trees = [(dict(ours), objects.fold(ours, there))]
        self._there = {*there}

    def trees(self, *maps: Tree) -> list[str]:
        """Write trees, each once; return their hashes."""
        new: list[Tree] = []
        for each in maps:
            if each not in new and self._known(each) is None:
                new.append(dict(each))
        self._trees += zip(new, objects.write_trees(self.folder, new, self._there), strict=True)
        return [self._known(each) or "" for each in maps]

    def _known(self, files: Tree) -> str | None:
        return next((tree for known, tree in self._trees if known == files), None)

    def merge(self, base: Tree, ours: Tree, theirs: Tree, labels: tuple[str, str, str]) -> Merged:
        """Merge what ours and theirs made of base; `labels` are what markers call the three."""
        of_base, of_ours, of_theirs = self.trees(base, ours, theirs)
        sides = dict(zip(labels[1:], (of_ours, of_theirs), strict=True))
        commit = objects.branch_off(self.folder, of_base, sides)[-1]
        code, printed = objects.run(
            "-c",
            "merge.conflictStyle=zdiff3",
            "merge-tree",
            "--write-tree",
            "-z",
            *labels[1:],
            cwd=self.folder,
            allowed=(0, 1, _USAGE),
        )
        if code == _USAGE:
            version = objects.plumb("version", cwd=self.folder).decode().strip()
            raise ScaffoldError(f"{version} is too old to merge aside; install git 2.38 or newer")
        tree, _, rest = printed.partition(b"\0")
        conflicts = _read_stages(rest)
        if bool(code) != bool(conflicts):
            said = " ".join(rest.decode(errors="replace").replace("\0", " ").split())
            raise ScaffoldError(f"git could not merge, and names no file in conflict: {said}")
        files = objects.tree_of(self.folder, tree.decode())
        self._trees.append((dict(files), tree.decode()))
        marked = [path for path in conflicts if files.get(path, ("", ""))[0] in _REGULAR]
        contents = objects.read_blobs(self.folder, [files[path][1] for path in marked])
        named = [_BASE.sub(b"||||||| " + os.fsencode(labels[0]), content) for content in contents]
        for path, blob in zip(marked, objects.write_blobs(self.folder, named), strict=True):
            files[path] = (files[path][0], blob)
        mixed = {
            path: Stages(base.get(path), ours[path], theirs[path])
            for path in files.keys() & ours.keys() & theirs.keys()
            if files[path] not in (ours[path], theirs[path])
        }
        self._leave_out(files, {path: mixed[path] for path in mixed.keys() - conflicts.keys()})
        return Merged(files, conflicts, mixed, [commit])

    def _leave_out(self, files: Tree, mixed: Mapping[str, Stages]) -> None:
        """Take out again what `merge=union` brought back: lines that one side has removed."""
        asked = b"".join(os.fsencode(path) + b"\0" for path in mixed)
        said = objects.plumb("check-attr", "-z", "--stdin", "merge", cwd=self.folder, given=asked)
        words = said.split(b"\0")
        for name, value in zip(words[::3], words[2::3], strict=False):
            path = os.fsdecode(name)
            stages = mixed[path]
            if value == b"union" and stages.base and stages.ours and stages.theirs:
                wanted = [files[path][1], stages.base[1], stages.ours[1], stages.theirs[1]]
                united, *sides = objects.read_blobs(self.folder, wanted)
                base, ours, theirs = ({*side.splitlines(keepends=True)} for side in sides)
                gone = {line for line in base - (ours & theirs) if line.strip()}
                kept = [line for line in united.splitlines(keepends=True) if line not in gone]
                (blob,) = objects.write_blobs(self.folder, [b"".join(kept)])
                files[path] = (files[path][0], blob)

    def hand_over(self, *wanted: str, beside: str) -> None:
        """Give trees and commits to the real repository, where nothing refers to them yet.

        `beside` is a tree that it has: nothing of that is looked at.
        """
        given = "".join(f"{each}\n" for each in (*wanted, f"^{beside}")).encode()
        asked = ("pack-objects", "--quiet", "--revs", "--local", "--delta-base-offset", "--stdout")
        packed = objects.plumb(*asked, cwd=self.folder, given=given)
        objects.plumb("unpack-objects", "-q", cwd=self._repository, given=packed)


@contextmanager
def scratch(repository: Path, ours: Tree, attributes: bytes = b"") -> Iterator[Scratch]:
    """Open a scratch repository beside a real one, in which files are committed.

    git merges by the team's `attributes`.
    """
    folder = Path(tempfile.mkdtemp(prefix="scaffold-"))
    try:
        asked = ("--show-object-format", "--path-format=absolute", "--git-path", "objects")
        kind, store = objects.plumb("rev-parse", *asked, cwd=repository).split(b"\n", 1)
        about = ("--quiet", "--bare", "--template=", f"--object-format={kind.decode()}")
        objects.plumb("init", *about, str(folder), cwd=repository)
        (folder / "objects/info/alternates").write_bytes(store)
        (folder / "info").mkdir()
        (folder / "info/attributes").write_bytes(attributes)
        with (folder / "config").open("a") as config:
            # What is kept is written by the real one.
            config.write("[core]\n\tfsync = none\n[fastimport]\n\tunpackLimit = 1\n")
        yield Scratch(folder, repository, ours)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read_stages(printed: bytes) -> dict[str, Stages]:
    found: dict[str, dict[int, tuple[str, str]]] = {}
    for entry in printed.split(b"\0"):
        if not entry:  # Behind the list of files come messages.
            break
        about, _, path = entry.partition(b"\t")
        mode, blob, stage = about.decode().split()
        found.setdefault(os.fsdecode(path), {})[int(stage)] = (mode, blob)
    return {
        path: Stages(stages.get(1), stages.get(2), stages.get(3)) for path, stages in found.items()
    }


def index_lines(conflicts: Mapping[str, Stages]) -> bytes:
    """What `git update-index -z --index-info` needs to leave paths unmerged."""
    lines: list[bytes] = []
    for path, stages in conflicts.items():
        name = os.fsencode(path)
        both: Sequence[tuple[str, str] | None] = (stages.base, stages.ours, stages.theirs)
        length = max(len(entry[1]) for entry in both if entry is not None)
        lines.append(b"0 " + b"0" * length + b"\t" + name)
        for number, entry in enumerate(both, 1):
            if entry is not None:
                lines.append(f"{entry[0]} {entry[1]} {number}\t".encode() + name)
    return b"".join(line + b"\0" for line in lines)
