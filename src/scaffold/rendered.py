"""What a template makes of a repository's answers at two versions: base and theirs of an update."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from scaffold import addresses, moves, objects, repository
from scaffold.changes import Changes
from scaffold.errors import ScaffoldError
from scaffold.history import Ask, Histories, History
from scaffold.objects import Tree
from scaffold.questions import Answers, RefusedAnswerError
from scaffold.reader import Files
from scaffold.repository import Template

_MODULES = repository.MODULES.as_posix()
_MODULE = re.compile(f"{_MODULES}/[^/_.][^/]*/")
_ANSWERS = re.compile(f"{_MODULES}/[^/_.][^/]*/{re.escape(repository.MODULE_ANSWERS)}")


@dataclass
class Both:
    """Both renderings of a repository, modules included.

    Attributes:
        old: the version that the app has.
        new: the version to come.
        base: the files at the versions that the repository has.
        theirs: the files at the new version.
        moved: where the template moved a file, by its old path.
        answers_files: the paths that hold answers.
        behind: modules at another version than the app, each with it.
        defaults: answers that nobody gave, by where and question.
        dropped: answers that no question takes any more, by where and question.
        left: modules that are left alone, each with the reason.
        changelog: what the template's changelog gained.
        lacking: that the new version does not contain the old one, in a sentence.
        changes: what the template says has moved since, by module, and for the app by "".
    """

    old: str
    new: str
    base: Files = field(default_factory=dict)
    theirs: Files = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    answers_files: list[str] = field(default_factory=list)
    behind: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    dropped: dict[str, Any] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    changelog: str = ""
    lacking: str = ""
    changes: dict[str, Changes] = field(default_factory=dict)

    def version_at(self, path: str) -> str:
        """The version that the repository has of what stands at a path."""
        for module, version in self.behind.items():
            if path.startswith(f"{_MODULES}/{module}/"):
                return version
        return self.old


def render_both(
    root: Path,
    ours: Tree,
    to: str | None,
    source: str | None = None,
    note: Callable[[str], None] = lambda _: None,
    ask: Ask | None = None,
    histories: Histories = History,
) -> Both:
    """Render a repository at the versions that it has, and at the one to come.

    Args:
        root: of the repository.
        ours: its files, as they are committed.
        to: the version to come; none is the newest release, or the recorded one if that is newer.
        source: path or URL to read the template from, instead of where it is recorded.
        note: is told what takes long, before it does.
        ask: puts the app's new questions to the user; none takes their defaults, as modules do.
        histories: finds the template's versions; several repositories may share them.

    Raises:
        ScaffoldError: where a version, an answer or the template is not to be had.
    """
    committed = _answers(root, ours)
    app = repository.read_template(root / repository.ANSWERS, committed[repository.ANSWERS])
    history = histories(app.source, to, source, note)
    if history.is_ahead(app.version):
        if to is not None:
            raise ScaffoldError(
                f"{to} is older than {app.version}, which {root} has; to go back, revert the "
                "commit of its update (git revert)"
            )
        history.stay_at(app.version)
    lacking = ""
    if not history.contains(app.version):
        lacking = (
            f"{history.new.version} of the template does not contain {app.version}, which {root} "
            "has: what only that one has would be undone"
        )
        if to is None:
            raise ScaffoldError(f"{lacking}; merge them in the template, or name a version by --to")
    new = history.new.version
    both = Both(app.version, new, changelog=history.changelog(app.version), lacking=lacking)
    to_come = new != app.version
    listed = app.answers.get("modules")
    names = listed if isinstance(listed, list) else []
    others = [f"{_MODULES}/{name}/" for name in names]
    shown = _add(
        both, history, _Face("", app, app.answers, {}, others), committed, ask if to_come else None
    )
    fresh = {
        name: value
        for name, value in shown.values.items()
        if name not in app.answers and name not in shown.hidden
    }
    shared = {name: value for name, value in app.answers.items() if name != "modules"}
    for module in sorted({path.split("/")[3] for path in ours if _MODULE.match(path)}):
        path = f"{_MODULES}/{module}/{repository.MODULE_ANSWERS}"
        if path not in committed:
            both.left[module] = f"it has no {repository.MODULE_ANSWERS}"
            continue
        recorded = repository.read_template(root / path, committed[path])
        if not addresses.same(recorded.source, app.source):
            both.left[module] = f"it records another template, {addresses.redact(recorded.source)}"
            continue
        if history.is_ahead(recorded.version):
            raise ScaffoldError(
                f"{path} records {recorded.version}, which is newer than {new}; "
                f"update with --to {recorded.version}, or to what came after it"
            )
        if recorded.version != app.version:
            both.behind[module] = recorded.version
        given = {**shared, **recorded.answers}
        if "example" not in given:
            given["module"] = module  # Whatever it was called when it was made.
        _add(both, history, _Face(module, recorded, given, fresh), committed)
    return both


class _Face(NamedTuple):
    """The app, or a module.

    Attributes:
        module: its name; none for the app.
        recorded: its answers file.
        given: the answers it is rendered with.
        fresh: the app's answers to new questions, which its modules share.
        others: folders in which nothing is its own.
    """

    module: str
    recorded: Template
    given: dict[str, Any]
    fresh: dict[str, Any]
    others: Sequence[str] = ()

    @property
    def folder(self) -> str:
        return f"{_MODULES}/{self.module}/" if self.module else ""

    @property
    def answers_file(self) -> str:
        return self.folder + (repository.MODULE_ANSWERS if self.module else repository.ANSWERS)


def _answers(root: Path, ours: Tree) -> dict[str, bytes]:
    """The committed answers files, by path."""
    if repository.ANSWERS not in ours:
        raise ScaffoldError(f"{root / repository.ANSWERS} is not in git; commit it, and try again")
    found = [path for path in ours if path == repository.ANSWERS or _ANSWERS.fullmatch(path)]
    contents = objects.read_blobs(root, [ours[path][1] for path in found])
    return dict(zip(found, contents, strict=True))


def _add(
    both: Both,
    history: History,
    face: _Face,
    committed: Mapping[str, bytes],
    ask: Ask | None = None,
) -> Answers:
    """Render the app or a module at both versions; return its answers in the new one."""
    sides = []
    for version, check in ((face.recorded.version, False), (both.new, True)):
        fresh = face.fresh if version == both.new else {}
        given, recorded = ({**fresh, **face.given}, {}) if face.module else ({}, face.given)
        try:
            made = history.render(version, given, recorded, check, ask if check else None)
        except RefusedAnswerError as error:
            raise ScaffoldError(
                f"{face.answers_file}: at {version} {str(error).rstrip('.')}; mend it there, and "
                "commit it"
            ) from None
        files = {face.folder + path: file for path, file in made.files.items()}
        sides.append({p: file for p, file in files.items() if not p.startswith(tuple(face.others))})
    base, theirs = sides
    if face.module and not theirs:
        both.left[face.module] = f"{both.new} of the template has no such module"
        return made.answers
    both.base |= base
    both.theirs |= theirs
    both.changes[face.module] = history.moved_on(face.recorded.version)
    both.moved |= _moved(history.moves(face.recorded.version), base, theirs)
    name = f"{face.module}." if face.module else ""
    for question, value in made.answers.defaults.items():
        if question not in given and question not in recorded:
            both.defaults[name + question] = value
    both.answers_files.append(face.answers_file)
    if written := theirs.get(face.answers_file):
        mine = committed[face.answers_file]
        after = repository.load_yaml(written.content)
        for question, value in face.recorded.answers.items():
            if question not in after:
                both.dropped[name + question] = value
        if after == repository.load_yaml(mine):
            both.theirs[face.answers_file] = written._replace(content=mine)
    return made.answers


def _moved(sources: Mapping[str, str], base: Files, theirs: Files) -> dict[str, str]:
    """Turn moves of the template's files into moves of what they render to."""
    before, after = _by_source(base), _by_source(theirs)
    return {
        old: new
        for source, paths in before.items()
        for old, new in zip(paths, after.get(sources.get(source, source), []), strict=False)
        if len(paths) == len(after[sources.get(source, source)])  # A path may loop.
        and old not in theirs
        and base[old].content.count(b"\n") >= moves.SHORT
    }


def _by_source(files: Files) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path, file in files.items():
        if file.source:
            found.setdefault(file.source, []).append(path)
    return found
