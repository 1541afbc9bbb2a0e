"""All files of a repository as they are once a module has another name."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import libcst as cst

from scaffold import moved, objects, tidying
from scaffold.errors import ScaffoldError
from scaffold.names import class_name
from scaffold.objects import Tree
from scaffold.plan import Change
from scaffold.renaming import api, others, references, strings
from scaffold.renaming import facts as facts_of
from scaffold.renaming.examples import Examples
from scaffold.renaming.facts import Facts
from scaffold.renaming.python import PythonFile
from scaffold.renaming.texts import Words, put
from scaffold.renaming.variables import Variables
from scaffold.repository import MODULES

_REGULAR = ("100644", "100755")
_LINK = "120000"
_LARGEST = 1_000_000


@dataclass(frozen=True)
class File:
    """A file that is another, or elsewhere: where it was, where it is, and its content."""

    was: str
    path: str
    before: bytes | None
    after: bytes

    def diff(self) -> str:
        """The change as git would show it."""
        head = f"rename from {self.was}\nrename to {self.path}\n" if self.was != self.path else ""
        if self.before == self.after:
            return head
        return head + Change(self.path, self.before, self.after).diff(self.was)


@dataclass(frozen=True, order=True)
class Left:
    """A line that looks as if it meant the module. Line 0 is the name of the file itself."""

    path: str
    line: int
    text: str


@dataclass
class Edited:
    """What became of a repository.

    Attributes:
        tree: all files, by the paths that they have afterwards; contents as before.
        files: those that are another, or elsewhere.
        left: lines that stay, and look as if they should not.
        api: what clients see another name of.
    """

    tree: Tree
    files: list[File] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    api: list[str] = field(default_factory=list)


def edit(root: Path, ours: Tree, old: str, new: str, examples: Examples) -> Edited:
    """Rename a module in all files of a repository.

    Args:
        root: of the repository.
        ours: its files.
        old: the module's name.
        new: its name afterwards.
        examples: what the template wrote.

    Raises:
        ScaffoldError: where a name would mean two things.
    """
    edited = renamed(_read(root, ours), ours, old, new, examples)
    _tidy(root, edited)
    return edited


def renamed(
    contents: Mapping[str, bytes], ours: Tree, old: str, new: str, examples: Examples
) -> Edited:
    """The same with the contents of texts at hand; imports are where they were.

    Raises:
        ScaffoldError: where a name would mean two things.
    """
    folder = f"{MODULES.as_posix()}/{old}/"
    own = {p.removeprefix(folder): c for p, c in contents.items() if p.startswith(folder)}
    facts = facts_of.read(old, new, own)
    moves = _moves(ours, facts, examples, contents)
    words = Words(facts)
    lines = {path: examples.lines(path, _text(contents[path])) for path in contents}
    after = _edited(contents, facts, words, lines)
    edited = Edited({})
    for path, entry in ours.items():
        now = next((b + path.removeprefix(a) for a, b in moves.items() if path.startswith(a)), path)
        edited.tree[now] = entry
        if now != path or after.get(path, contents.get(path)) != contents.get(path):
            before = contents.get(path, b"")
            edited.files.append(File(path, now, before, after.get(path, before)))
    edited.left = _left(edited, contents, words, lines)
    edited.api = api.changes(facts, contents)
    return edited


def _read(root: Path, ours: Tree) -> dict[str, bytes]:
    paths = [path for path, (mode, _) in ours.items() if mode in (*_REGULAR, _LINK)]
    read = objects.read_blobs(root, [ours[path][1] for path in paths])
    return {
        path: content
        for path, content in zip(paths, read, strict=True)
        if b"\0" not in content and len(content) <= _LARGEST
    }


def _moves(
    ours: Tree, facts: Facts, examples: Examples, contents: Mapping[str, bytes]
) -> dict[str, str]:
    """Folders that get another name, each with it: the module's own, and those of its tests."""
    moves = {}
    for above in (MODULES.as_posix(), "tests/modules", "tests"):
        before, after = f"{above}/{facts.old}/", f"{above}/{facts.new}/"
        inside = [path for path in ours if path.startswith(before)]
        if not inside:
            continue
        if above != MODULES.as_posix():
            if any(examples.lines(path, _text(contents.get(path, b""))) for path in inside):
                continue
            if any(path.startswith(after) for path in ours):
                raise ScaffoldError(
                    f"{before} and {after} are both there; put them together, or take another name"
                )
            facts.of_tests.append(before.strip("/").replace("/", "."))
        moves[before] = after
    return moves


def _edited(
    contents: Mapping[str, bytes],
    facts: Facts,
    words: Words,
    lines: dict[str, set[str]],
) -> dict[str, bytes]:
    """The new content of each file that has the module's name in it."""
    python: dict[str, PythonFile] = {}
    texts: dict[str, str] = {}
    for path, content in contents.items():
        text = _text(content)
        if path == moved.FILE or not _concerns(text, words, lines[path]):
            continue
        texts[path] = text
        if path.endswith(".py"):
            try:
                python[path] = PythonFile(path, content)
            except (ValueError, RecursionError):
                continue  # What is certain of any text is certain of it as well.
    kinds = references.find_kinds(python.values(), facts)
    words.classes |= {
        full.rpartition(".")[2]: now
        for full, now in kinds.items()
        if full.rpartition(".")[2] != now
    }
    for file in python.values():
        if clash := references.clashes(file, kinds):
            raise ScaffoldError(
                f"{file.path} has {clash} already, as {class_name(facts.old)} would be called "
                f"then; rename that first, or take another name than {facts.new}"
            )
    for file in python.values():
        references.follow(file, facts, kinds)
    Variables(python.values(), facts, kinds).follow()
    done = {}
    for path, text in texts.items():
        if path in python:
            strings.follow(python[path], words, lines[path])
            done[path] = python[path].written()
        else:
            spans = [
                each
                for each in others.spans(path, text, words)
                if _line_of(text, each[0]) not in lines[path]
            ]
            written = others.follow(path, put(text, spans), words)
            if path.endswith("CODEOWNERS"):
                written = others.sorted_owners(text, written, f"{MODULES.as_posix()}/{facts.new}")
            done[path] = os.fsencode(written) if written != text else contents[path]
    return done


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _concerns(text: str, words: Words, lines: set[str]) -> bool:
    """Whether a text has the module's name, or its classes, in a line that is the team's."""
    spoken = (words.old, words.old_url, words.old_class, *words.classes)
    if not any(word in text for word in spoken):
        return False
    return not lines or any(
        any(word in line for word in spoken) and line not in lines for line in text.splitlines()
    )


def _line_of(text: str, at: int) -> str:
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    return text[start : end if end >= 0 else len(text)].rstrip("\r")


def _tidy(root: Path, edited: Edited) -> None:
    changed = {
        file.path: file
        for file in edited.files
        if file.path.endswith(".py") and file.before != file.after and _is_python(file.after)
    }
    before = {path: file.before for path, file in changed.items() if file.before is not None}
    after = tidying.tidy_again(root, before, {path: x.after for path, x in changed.items()})
    edited.files = [File(x.was, x.path, x.before, after.get(x.path, x.after)) for x in edited.files]


def _is_python(content: bytes) -> bool:
    try:
        cst.parse_module(content)
    except (cst.ParserSyntaxError, SyntaxError, LookupError, RecursionError):
        return False
    return True


def _left(
    edited: Edited, contents: Mapping[str, bytes], words: Words, lines: dict[str, set[str]]
) -> list[Left]:
    now = {file.path: (file.was, file.after) for file in edited.files}
    found = []
    for path in edited.tree:
        was, content = now.get(path, (path, contents.get(path, b"")))
        if path == moved.FILE or path.endswith(".copier-answers.module.yml"):
            continue
        theirs = lines.get(was, set())
        if words.is_alike(path.rpartition("/")[2]) and not theirs:
            found.append(Left(path, 0, path))
        for number, line in words.alike(_text(content)):
            if line not in theirs:
                found.append(Left(path, number, line.strip()))
    return sorted(found)
