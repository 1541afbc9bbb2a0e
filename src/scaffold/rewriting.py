"""What a team wrote follows what its template has moved, in a merged tree not landed yet."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path, PurePosixPath

from scaffold import glance, objects
from scaffold.changes import Change, Changes
from scaffold.merging import Merged, Scratch
from scaffold.objects import Tree
from scaffold.repository import MODULES

_CONFIGURATIONS = ("pyproject.toml", "ruff.toml", ".ruff.toml")
_REGULAR = ("100644", "100755")
_TEXTS = {"", ".py", ".cfg", ".ini", ".json", ".md", ".sh", ".toml", ".txt", ".yaml", ".yml"}
_LARGEST = 1_000_000


@dataclass(frozen=True, order=True)
class ToDo:
    """A line that a person must see to.

    Attributes:
        path: of the file.
        line: in the file as it is now.
        what: to know of it.
    """

    path: str
    line: int
    what: str


@dataclass
class Followed:
    """What was rewritten, in words by path, and what is left to people."""

    rewritten: dict[str, list[str]] = field(default_factory=dict)
    to_do: list[ToDo] = field(default_factory=list)


def follow(
    scratch: Scratch, merged: Merged, theirs: Tree, changes: Mapping[str, Changes]
) -> Followed:
    """Rewrite the Python files of a merge that are not as the template makes them.

    Args:
        scratch: where their contents are.
        merged: the files; what is rewritten gets its new content here.
        theirs: the files as the template makes them, which follow already.
        changes: what is new for the files of a module, by its name, and for all others, by "".
    """
    done = Followed()
    if not any(changes.values()):
        return done
    contents = _teams_own(scratch, merged, theirs)
    python = {path: content for path, content in contents.items() if path.endswith(".py")}
    used: set[str] | None = None
    after: dict[str, bytes] = {}
    listed: list[tuple[str, int, str]] = []
    for path, content in contents.items():
        new = changes.get(_module_of(path), changes[""])
        if not new:
            continue
        if path in merged.conflicts or path not in python:
            listed += [(path, line, what) for line, what in _mentions(path, content, new)]
        elif glance.may_concern(glance.glance(content, _name(path)), new):
            from scaffold import codemods

            if used is None:
                used = glance.used({_name(each): python[each] for each in python})
            try:
                made = codemods.rewrite(content, _name(path), new, used)
            except (ValueError, SyntaxError, RecursionError):
                listed += [(path, line, what) for line, what in _mentions(path, content, new)]
                continue
            if made.content != content:
                after[path] = made.content
                done.rewritten[path] = made.done
            listed += [(path, line, what) for line, what in made.to_do]
    if after:
        is_tidy = _tidy(scratch, merged, contents, after)
        for path, blob in zip(
            after, objects.write_blobs(scratch.folder, list(after.values())), strict=True
        ):
            merged.files[path] = (merged.files[path][0], blob)
        if not is_tidy:
            what = "its imports could not be sorted: run make format"
            listed += [(path, 1, what) for path in after]
    for path, line, what in listed:
        now = _line_now(contents[path], after[path], line) if path in after else line
        done.to_do.append(ToDo(path, now, what))
    done.to_do = sorted(set(done.to_do))
    return done


def _teams_own(scratch: Scratch, merged: Merged, theirs: Tree) -> dict[str, bytes]:
    """Texts that are not as the template makes them."""
    paths = [
        path
        for path, entry in sorted(merged.files.items())
        if PurePosixPath(path).suffix in _TEXTS
        and entry[0] in _REGULAR
        and entry != theirs.get(path)
    ]
    contents = objects.read_blobs(scratch.folder, [merged.files[path][1] for path in paths])
    return {
        path: content
        for path, content in zip(paths, contents, strict=True)
        if len(content) <= _LARGEST and b"\0" not in content
    }


def _module_of(path: str) -> str:
    parts = PurePosixPath(path).parts
    depth = len(MODULES.parts)
    return parts[depth] if parts[:depth] == MODULES.parts and len(parts) > depth + 1 else ""


def _name(path: str) -> str:
    return path.removeprefix("src/").removesuffix(".py").replace("/", ".")


def _mentions(path: str, content: bytes, changes: Changes) -> Iterable[tuple[int, str]]:
    """Lines of a text, or of what is no Python now, that speak of what has changed."""
    text = content.decode(errors="replace")
    for change in changes.all:
        spellings = [each for each in _spellings(path, change) if each in text]
        if not spellings:
            continue
        found = re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, spellings))})(?!\w)")
        name, _, member = change.place.name.partition(".")
        if member:  # In whatever has it: the class is spoken of elsewhere.
            found, name = re.compile(rf"\.{member}\b"), ""
        for number, line in enumerate(text.splitlines(), 1):
            is_import = "import" in line and not line.rstrip().endswith("(")
            if found.search(line) and (name in line or not is_import):
                yield number, str(change)


def _spellings(path: str, change: Change) -> set[str]:
    """How a text names a place."""
    place = change.place
    above, _, last = place.module.rpartition(".")
    spellings = {place.dotted, str(place)}
    if path.endswith(".py"):
        spellings.add(f"from {above} import {last}")
        if place.name:
            spellings.add(f"from {place.module} import")
    elif not place.name:
        spellings.add(place.module.replace(".", "/"))
    return spellings


def _tidy(
    scratch: Scratch, merged: Merged, before: Mapping[str, bytes], after: dict[str, bytes]
) -> bool:
    """Sort the imports of what was rewritten as the repository's ruff is told to.

    Files that were as ruff formats them are formatted again.
    """
    with tempfile.TemporaryDirectory(prefix="scaffold-") as temporary:
        folder = Path(temporary)
        for path in merged.files:
            if path.endswith(".py"):  # By what is there, ruff knows what is of the repository.
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).touch()
        for path, entry in merged.files.items():
            if PurePosixPath(path).name in _CONFIGURATIONS and entry[0] in _REGULAR:
                stages = merged.conflicts.get(path)
                blob = (stages.ours or entry)[1] if stages else entry[1]
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(objects.read_blobs(scratch.folder, [blob])[0])
        for path in after:
            (folder / path).write_bytes(before[path])
        said = _ruff(folder, "format", "--check", "--output-format=concise", *after)
        if said is None:
            return False
        untidy = {path for path in after if path in said}
        for path, content in after.items():
            (folder / path).write_bytes(content)
        sort = ("check", "--fix", "--fixable", "I001", "--exit-zero", "--quiet")
        if _ruff(folder, *sort, *after) is None:
            return False
        tidy = [path for path in after if path not in untidy]
        if tidy and _ruff(folder, "format", "--quiet", *tidy) is None:
            return False
        for path in after:
            after[path] = (folder / path).read_bytes()
    return True


def _ruff(folder: Path, command: str, *arguments: str) -> str | None:
    """Run the ruff that scaffold brings; None where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", command, "--no-cache", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode in (0, 1) else None


def _line_now(before: bytes, after: bytes, line: int) -> int:
    """Where a line is, after the file was rewritten."""
    old, new = (each.decode(errors="replace").splitlines() for each in (before, after))
    text = old[line - 1] if line <= len(old) else ""
    if new.count(text) == 1:
        return new.index(text) + 1
    for _, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if i1 < line <= i2:
            return min(j1 + line - i1, max(j2, 1))
    return line
