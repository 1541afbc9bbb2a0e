"""Which versions of a template a repository may be of: by the hashes of files, without rendering.

What a template does not render is in the repository as the same blob. Trees are read once each,
however many commits share them.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from scaffold import git, objects
from scaffold.reader import SUFFIX
from scaffold.repository import MODULES

_RENDERED = "template"
_ALSO = ("copier.yml", "examples", "skeletons")
_THERE, _MISSING = 0.25, -0.1
"""What a file counts that is there and other, or is not there. A team may have answered so that it
is not: then it is missing of each version."""

_Entry = tuple[str, str, str]
"""Mode, hash and name."""


class Candidate(NamedTuple):
    """A version that may be the one.

    Attributes:
        version: as it is recorded.
        commit: its hash.
        score: how well its unrendered files fit.
        modules: what tells it apart from others, by where modules of a kind are rendered from.
    """

    version: str
    commit: str
    score: float
    modules: dict[str, str]


def candidates(place: Path, revision: str) -> list[tuple[str, str]]:
    """All releases, or else all commits up to a revision: name and hash, the newest first."""
    found: list[tuple[Version, str]] = []
    for tag in git.tags(place):
        try:
            found.append((Version(tag), tag))
        except InvalidVersion:
            continue
    if found:
        names = [tag for _, tag in sorted(found, reverse=True)]
        return [(tag, commit) for tag in names if (commit := git.commit(place, tag))]
    commits = objects.plumb("rev-list", revision, cwd=place).decode().split()
    return [(commit, commit) for commit in commits]


def ranked(
    place: Path,
    versions: Sequence[tuple[str, str]],
    contents: Mapping[str, bytes],
    kept: str | None = None,
) -> list[Candidate]:
    """Versions with how well they fit, in the order given; of equal templates, the first.

    Args:
        place: a repository that has them.
        versions: name and hash of each.
        contents: the files of the repository, by path.
        kept: a version that is listed, whichever is equal to it.
    """
    kind = objects.plumb("rev-parse", "--show-object-format", cwd=place).decode().strip()
    hashes = {
        path: hashlib.new(kind, b"blob %d\0%b" % (len(content), content)).hexdigest()
        for path, content in contents.items()
    }
    trees = _Trees(place, [commit for _, commit in versions])
    memory: dict[tuple[str, str], float] = {}

    def score(tree: str, folder: str) -> float:
        if (tree, folder) not in memory:
            memory[tree, folder] = sum(of_entry(each, folder) for each in trees.entries[tree])
        return memory[tree, folder]

    def of_entry(entry: _Entry, folder: str) -> float:
        mode, blob, name = entry
        if mode == "40000":
            return score(blob, f"{folder}{name}/")
        path = folder + name
        if "{" in path or path.endswith(SUFFIX):
            return 0
        mine = hashes.get(path)
        return _MISSING if mine is None else 1 if mine == blob else _THERE

    found: dict[tuple[str, ...], Candidate] = {}
    for version, commit in versions:
        parts = {name: blob for _, blob, name in trees.entries[trees.roots[commit]]}
        if parts.get(_RENDERED) not in trees.entries:
            continue
        key = tuple(parts.get(name, "") for name in (_RENDERED, *_ALSO))
        if key not in found or version == kept:
            plain = trees.below(key[0], MODULES.parts)
            modules = {"plain": plain, **dict(zip(("example", "bare"), key[2:], strict=True))}
            found[key] = Candidate(version, commit, score(key[0], ""), modules)
    return list(found.values())


class _Trees:
    """All trees of some commits that have to do with rendering."""

    def __init__(self, place: Path, commits: Sequence[str]) -> None:
        asked = "".join(f"{commit}^{{tree}}\n" for commit in commits).encode()
        printed = objects.plumb("cat-file", "--batch-check", cwd=place, given=asked).decode()
        trees = [line.split()[0] for line in printed.splitlines()]
        self.roots = dict(zip(commits, trees, strict=True))
        self.entries: dict[str, list[_Entry]] = {}
        width = len(trees[0]) // 2 if trees else 20
        wanted = list(dict.fromkeys(trees))
        while wanted:
            contents = objects.read_blobs(place, wanted)
            for tree, content in zip(wanted, contents, strict=True):
                self.entries[tree] = list(_parsed(content, width))
            below = {
                blob
                for tree in wanted
                for mode, blob, name in self.entries[tree]
                if mode == "40000" and (tree not in trees or name == _RENDERED)
            }
            wanted = sorted(below - self.entries.keys())

    def below(self, tree: str, parts: Sequence[str]) -> str:
        """The hash of a folder in a tree; of one that is not there, nothing."""
        for part in parts:
            below = {name: blob for mode, blob, name in self.entries[tree] if mode == "40000"}
            if part not in below:
                return ""
            tree = below[part]
        return tree


def _parsed(tree: bytes, width: int) -> Iterator[_Entry]:
    at = 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, _, name = tree[at:end].partition(b" ")
        at = end + 1 + width
        yield mode.decode(), tree[end + 1 : at].hex(), os.fsdecode(name)
