"""What a template makes of a repository's answers at two versions: base and theirs of an update."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scaffold import changes, git, moves, objects, origin, rendering, repository
from scaffold.changes import Changes
from scaffold.errors import ScaffoldError
from scaffold.questions import Answers, RefusedAnswerError, UnknownFeatureError
from scaffold.reader import File, Files, Rendered, TemplateVersion
from scaffold.repository import Template

_MODULES = repository.MODULES.as_posix()


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
        changelog: what the template's changelog gained.
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
    changelog: str = ""
    changes: dict[str, Changes] = field(default_factory=dict)


def render_both(
    root: Path,
    to: str | None,
    source: str | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Both:
    """Render a repository at the versions that it has, and at the one to come.

    Args:
        root: of the repository.
        to: the version to come; none is the newest release.
        source: path or URL to read the template from, instead of where it is recorded.
        note: is told what takes long, before it does.

    Raises:
        ScaffoldError: where a version, an answer or the template is not to be had.
    """
    app = repository.read_template(root / repository.ANSWERS)
    history = _History(app.source, to, source, note)
    new = history.new.version
    both = Both(app.version, new)
    faces: list[tuple[str, Template, dict[str, Any]]] = [("", app, {})]
    shared = {name: value for name, value in app.answers.items() if name != "modules"}
    for module in repository.module_names(root):
        file = root / repository.MODULES / module / repository.MODULE_ANSWERS
        if file.is_file():
            recorded = repository.read_template(file)
            given = {**shared, **recorded.answers}
            if "example" not in given:
                given["module"] = module  # Whatever it was called when it was made.
            faces.append((module, recorded, given))
            if recorded.version != app.version:
                both.behind[module] = recorded.version
    listed = app.answers.get("modules")
    first = [f"{_MODULES}/{name}/" for name in listed] if isinstance(listed, list) else []
    for module, recorded, given in faces:
        where = f"{_MODULES}/{module}/" if module else ""
        sides = []
        for version in (recorded.version, new):
            try:
                made = history.render(version, given, {} if module else app.answers)
            except RefusedAnswerError as error:
                what = f"{where}{repository.MODULE_ANSWERS if module else repository.ANSWERS}"
                raise ScaffoldError(
                    f"{what}: at {version} {error}; mend it there, and commit it"
                ) from None
            files = {
                where + path: file
                for path, file in made.files.items()
                if module or not path.startswith(tuple(first))
            }
            sides.append((files, made.answers))
        (base, _), (theirs, answers) = sides
        both.base |= base
        both.theirs |= theirs
        both.changes[module] = history.moved_on(recorded.version)
        both.moved |= _moved(history.moves(recorded.version), base, theirs)
        known = {**given, **(app.answers if not module else {})}
        for name, value in answers.defaults.items():
            if name not in known:
                both.defaults[f"{module}.{name}" if module else name] = value
        both.answers_files.append(
            where + (repository.MODULE_ANSWERS if module else repository.ANSWERS)
        )
    both.changelog = history.changelog(app.version)
    return both


def _moved(sources: Mapping[str, str], base: Files, theirs: Files) -> dict[str, str]:
    """Turn moves of the template's files into moves of what they render to."""
    by_source = {file.source: path for path, file in theirs.items()}
    return {
        path: by_source[sources[file.source]]
        for path, file in base.items()
        if sources.get(file.source) in by_source
        and path not in theirs
        and file.content.count(b"\n") >= moves.SHORT
    }


class _History:
    """The versions of a template, each read once."""

    def __init__(
        self, source: str, to: str | None, given: str | None, note: Callable[[str], None]
    ) -> None:
        self.new = origin.newer(source, to, given, note)
        self._source, self._given, self._note = source, given, note
        self._origins = {self.new.version: self.new}
        self._versions: dict[str, TemplateVersion] = {}
        self._moves: dict[str, moves.Moves] = {}
        self._listed: dict[str, list[changes.Release]] = {}

    def _origin(self, version: str) -> origin.Origin:
        """Where a recorded version is: preferably where the new one is as well."""
        if version not in self._origins:
            if revision := git.commit(Path(self.new.place), version):
                found = replace(self.new, version=version, revision=revision)
            else:
                found = origin.recall(self._source, version, self._given, self._note)
            self._origins[version] = found
        return self._origins[version]

    def render(
        self, version: str, given: Mapping[str, Any], recorded: Mapping[str, Any]
    ) -> Rendered:
        """Render a version; by Copier, where it uses what only Copier knows."""
        found = self._origin(version)
        try:
            if version not in self._versions:
                self._versions[version] = TemplateVersion(Path(found.place), found.revision)
            return self._versions[version].render(
                found.source, version, given=given, recorded=recorded
            )
        except UnknownFeatureError:
            return _by_copier(found, {**recorded, **given})

    def moves(self, old: str) -> moves.Moves:
        """What the template has moved since a version, by paths in the template."""
        before = self._origin(old)
        if before.place != self.new.place:
            return {}
        if old not in self._moves:
            place = Path(self.new.place)
            there = {path for _, _, path in objects.list_tree(place, self.new.revision)}
            self._moves[old] = moves.in_template(place, before.revision, self.new.revision, there)
        return self._moves[old]

    def moved_on(self, old: str) -> Changes:
        """What the template lists as moved, changed or removed since a version."""
        return changes.since(self._changes_at(self.new.version), self._changes_at(old))

    def _changes_at(self, version: str) -> list[changes.Release]:
        if version not in self._listed:
            found = self._origin(version)
            tree = objects.tree_of(Path(found.place), found.revision)
            listed: list[changes.Release] = []
            if changes.FILE in tree:
                (content,) = objects.read_blobs(Path(found.place), [tree[changes.FILE][1]])
                listed = changes.read(content, f"{changes.FILE} of {found.source} {version}")
            self._listed[version] = listed
        return self._listed[version]

    def changelog(self, old: str) -> str:
        """The lines that the template's changelog has gained since a version."""
        before = self._origin(old)
        if before.place != self.new.place:
            return ""
        printed = objects.plumb(
            *("diff", "--unified=0", before.revision, self.new.revision, "--", "CHANGELOG.md"),
            cwd=Path(self.new.place),
        ).decode(errors="replace")
        return "\n".join(
            line[1:]
            for line in printed.splitlines()
            if line.startswith("+") and not line.startswith("+++")
        )


def _by_copier(found: origin.Origin, answers: Mapping[str, Any]) -> Rendered:
    with tempfile.TemporaryDirectory(prefix="scaffold-") as folder:
        made = Path(folder) / "made"
        rendering.render(found, made, answers)
        files = {
            path.relative_to(made).as_posix(): File(
                "100755" if path.stat().st_mode & 0o100 else "100644", path.read_bytes(), ""
            )
            for path in made.rglob("*")
            if path.is_file() and not path.is_symlink()
        }
    return Rendered(files, Answers())
