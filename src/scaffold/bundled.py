"""The template that an installed `scaffold` brings along, as a git repository.

Copier wants a repository with versions, and a wheel holds neither. So its files are written as one
commit without ancestors, with the tag of the release. Nothing of this machine goes in, neither a
date nor a name nor a setting of git: the commit has the same hash wherever the same wheel is.
"""

import hashlib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from scaffold import git, mirror, plan

ADDRESS = "~/.cache/scaffold-monolith/template"
"""What is recorded when no other address is known: each has it who has run this release."""

FILES = Path(str(resources.files("scaffold"))) / "_template"
_NOBODY = "scaffold <> 0 +0000"


def repository(tag: str) -> Path:
    """The repository, in which `tag` is the template of this installation."""
    place = mirror.folder() / "template"
    place.mkdir(parents=True, exist_ok=True)
    (place.parent / "lock").touch()
    entries = list(_entries())
    digest = hashlib.sha256(repr((tag, entries)).encode()).hexdigest()
    mark = f"refs/scaffold/{digest}"
    with plan.lock(place.parent / "lock"):
        if not git.succeeds("rev-parse", "--resolve-git-dir", ".git", cwd=place):
            git.run("init", "--quiet", "--initial-branch=none", "--template=", cwd=place)
        if not git.succeeds("rev-parse", "--verify", "--quiet", mark, cwd=place):
            stream = _stream(f"refs/tags/{tag}", tag, entries) + f"reset {mark}\nfrom :1\n".encode()
            git.run("fast-import", "--quiet", "--force", cwd=place, stdin=stream)
        git.run("update-ref", f"refs/tags/{tag}", mark, cwd=place)
    return place


def _entries() -> Iterator[tuple[str, str, bytes]]:
    """Each file: its path, its mode, its content. What an installer compiled is none of them."""
    for path in sorted(FILES.rglob("*")):
        name = path.relative_to(FILES).as_posix()
        if path.is_file() and "__pycache__" not in name:
            executable = path.stat().st_mode & 0o100
            yield name, "100755" if executable else "100644", path.read_bytes()


def _stream(ref: str, message: str, entries: list[tuple[str, str, bytes]]) -> bytes:
    """One commit, in the language of `git fast-import`."""
    head = f"commit {ref}\nmark :1\ncommitter {_NOBODY}\ndata {len(message)}\n{message}\n"
    parts = [head.encode()]
    for name, mode, content in entries:
        parts += [f"M {mode} inline {name}\ndata {len(content)}\n".encode(), content, b"\n"]
    return b"".join(parts)
