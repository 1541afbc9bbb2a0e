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


def run(
    *arguments: str,
    cwd: Path,
    given: bytes = b"",
    allowed: Iterable[int] = (0,),
    index: Path | None = None,
) -> tuple[int, bytes]:
    """Run git, on an index of one's own if given; return its exit code, and what it prints."""
    environment = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    if index:
        environment["GIT_INDEX_FILE"] = str(index)
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
    wanted = "".join(f"{each}\n" for each in hashes).encode()
    answer = plumb("cat-file", "--batch", cwd=repository, given=wanted)
    contents, at = [], 0
    for each in hashes:
        end = answer.index(b"\n", at)
        about = answer[at:end].split()
        if about[-1] == b"missing":
            raise ScaffoldError(
                f"{repository} lacks the object {each}; fetch it (a partial clone needs its remote)"
            )
        size = int(about[2])
        contents.append(answer[end + 1 : end + 1 + size])
        at = end + 1 + size + 1
    return contents


def hash_of(content: bytes, like: str) -> str:
    """The hash of a blob with this content, of the kind that another hash is."""
    kind = "sha256" if len(like) == 64 else "sha1"
    whole = b"blob %d\0%b" % (len(content), content)
    return hashlib.new(kind, whole, usedforsecurity=False).hexdigest()


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


def write_tree(repository: Path, tree: Mapping[str, tuple[str, str]]) -> str:
    """Put a tree into a repository, without any index; return its hash."""
    entries = "".join(f"{mode} {blob}\t{path}\0" for path, (mode, blob) in sorted(tree.items()))
    index = repository / f"scaffold-index-{os.getpid()}"
    try:
        index.unlink(missing_ok=True)
        added = ("update-index", "-z", "--index-info")
        run(*added, cwd=repository, given=os.fsencode(entries), index=index)
        return run("write-tree", cwd=repository, index=index)[1].decode().strip()
    finally:
        index.unlink(missing_ok=True)


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
