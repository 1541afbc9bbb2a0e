"""What a git repository holds, and how to put something in: git's plumbing, in bytes.

Paths are text in which `os.fsdecode` has hidden what is no UTF-8: they go back as they came.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from scaffold.errors import ScaffoldError

Tree = dict[str, tuple[str, str]]
"""Mode and hash of each file, by path."""
_NOBODY = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")


def plumb(*arguments: str, cwd: Path, given: bytes = b"", allowed: Sequence[int] = (0,)) -> bytes:
    """Run git and return what it prints. Raises ScaffoldError, with git's first reason."""
    return run(*arguments, cwd=cwd, given=given, allowed=allowed)[1]


def status_of(*arguments: str, cwd: Path) -> int:
    """Run git and return its exit code."""
    return run(*arguments, cwd=cwd, allowed=range(256))[0]


def contains(repository: Path, newer: str, older: str) -> bool:
    """Whether a commit has another one in its history, or is it."""
    return status_of("merge-base", "--is-ancestor", older, newer, cwd=repository) == 0


def run(
    *arguments: str, cwd: Path, given: bytes = b"", allowed: Iterable[int] = (0,)
) -> tuple[int, bytes]:
    """Run git; return its exit code, and what it prints."""
    environment = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, input=given, env=environment, capture_output=True, check=False
    )
    if done.returncode not in allowed:
        said = (done.stderr.strip() or b"no reason given").decode(errors="replace")
        reason = next(
            (line for line in said.splitlines() if "fatal" in line or "error" in line), said
        )
        raise ScaffoldError(f"git {arguments[0]} failed in {cwd}: {reason.splitlines()[0]}")
    return done.returncode, done.stdout


def list_tree(repository: Path, revision: str) -> list[tuple[str, str, str]]:
    """Mode, hash and path of each file, link and submodule in a commit or tree."""
    listed = plumb("ls-tree", "-r", "-z", "--full-tree", revision, cwd=repository)
    found = []
    for entry in listed.split(b"\0")[:-1]:
        about, _, path = entry.partition(b"\t")
        mode, _kind, blob = about.decode().split()
        found.append((mode, blob, os.fsdecode(path)))
    return found


def tree_of(repository: Path, revision: str) -> Tree:
    """The files of a commit, by path."""
    return {path: (mode, blob) for mode, blob, path in list_tree(repository, revision)}


def read_blobs(repository: Path, hashes: Sequence[str]) -> list[bytes]:
    """The contents of blobs, in one run of git."""
    contents = []
    for each, content in zip(hashes, read_named(repository, hashes), strict=True):
        if content is None:
            raise ScaffoldError(
                f"{repository} lacks the object {each}; fetch it (a partial clone needs its remote)"
            )
        contents.append(content)
    return contents


def read_named(repository: Path, names: Sequence[str]) -> list[bytes | None]:
    """The contents of what has a hash, or a name such as `HEAD:README.md`; None is not there."""
    if not names:
        return []
    wanted = os.fsencode("".join(f"{each}\n" for each in names))
    answer = plumb("cat-file", "--batch", cwd=repository, given=wanted)
    contents: list[bytes | None] = []
    at = 0
    for _ in names:
        end = answer.index(b"\n", at)
        about = answer[at:end]
        at = end + 1
        if about.endswith((b" missing", b" ambiguous")):
            contents.append(None)
        else:
            size = int(about.split()[2])
            contents.append(answer[at : at + size])
            at += size + 1
    return contents


def hash_of(content: bytes, like: str, kind: str = "blob") -> str:
    """The hash of a blob, or tree, with this content, of the sort that another hash is."""
    sort = "sha256" if len(like) == 64 else "sha1"
    whole = b"%b %d\0%b" % (kind.encode(), len(content), content)
    return hashlib.new(sort, whole, usedforsecurity=False).hexdigest()


def write_blobs(repository: Path, contents: Sequence[bytes]) -> list[str]:
    """Put contents into a repository, in one run of git; return their hashes."""
    if not contents:
        return []
    lines = []
    for number, content in enumerate(contents, 1):
        lines.append(b"blob\nmark :%d\ndata %d\n%b\n" % (number, len(content), content))
    for number in range(1, len(contents) + 1):
        lines.append(b"get-mark :%d\n" % number)
    printed = plumb(
        "fast-import", "--quiet", "--done", cwd=repository, given=b"".join(lines) + b"done\n"
    )
    return printed.decode().split()


def write_trees(repository: Path, trees: Sequence[Tree], there: set[str]) -> list[str]:
    """Put trees into a repository, in one run of git and without any index; return their hashes.

    `there` are hashes of trees that it has for certain, and gets the new ones.
    """
    listed: dict[str, str] = {}
    hashes = [fold(tree, listed) for tree in trees]
    new = [f"{entries}\0" for each, entries in listed.items() if each not in there]
    if new:
        given = os.fsencode("".join(new))
        plumb("mktree", "-z", "--missing", "--batch", cwd=repository, given=given)
    there.update(listed)
    return hashes


def fold(tree: Tree, listed: dict[str, str]) -> str:
    """The hash of a tree; `listed` gets what is in it and in each folder, by hash."""
    folders: dict[str, Tree] = {}
    entries: list[tuple[bytes, str, str]] = []
    for path, (mode, blob) in tree.items():
        folder, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(folder, {})[rest] = mode, blob
        else:
            entries.append((os.fsencode(path), mode, blob))
    # git sorts a folder as if its name ended in a slash.
    entries += [
        (os.fsencode(f"{name}/"), "40000", fold(inside, listed)) for name, inside in folders.items()
    ]
    entries.sort()
    content = b"".join(
        b"%b %b\0%b" % (mode.encode(), name.rstrip(b"/"), bytes.fromhex(each))
        for name, mode, each in entries
    )
    found = hash_of(content, entries[0][2] if entries else "", "tree")
    listed[found] = "".join(
        f"{mode} {'tree' if mode == '40000' else 'commit' if mode == '160000' else 'blob'} {each}\t"
        f"{os.fsdecode(name).rstrip('/')}\0"
        for name, mode, each in entries
    )
    return found


def branch_off(repository: Path, root: str, branches: Mapping[str, str]) -> list[str]:
    """Make branches of one commit each, of a tree, on top of a commit of another; return those."""
    commit = 'commit %s\nmark :%d\ncommitter scaffold <> 0 +0000\ndata 0\n%sM 040000 %s ""\n\n'
    given = commit % ("refs/scaffold/root", 1, "", root)
    for number, (name, tree) in enumerate(branches.items(), 2):
        given += commit % (f"refs/heads/{name}", number, "from :1\n", tree)
    given += "".join(f"get-mark :{number}\n" for number in range(2, len(branches) + 2))
    asked = ("fast-import", "--quiet", "--done")
    return plumb(*asked, cwd=repository, given=f"{given}done\n".encode()).decode().split()


def commit_tree(repository: Path, tree: str, message: str, parents: Sequence[str] = ()) -> str:
    """Make a commit of a tree; return its hash. Where git knows nobody, it is nobody's."""
    options = [part for parent in parents for part in ("-p", parent)]
    command = ["commit-tree", tree, *options, "-m", message]
    try:
        return plumb(*command, cwd=repository).decode().strip()
    except ScaffoldError:
        with suppress(ScaffoldError):
            return plumb(*_NOBODY, *command, cwd=repository).decode().strip()
        raise
