"""What a template makes of a repository's answers at two versions: base and theirs of an update."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaffold import moves, objects, origin, rendering, repository
from scaffold.errors import ScaffoldError
from scaffold.questions import Answers, RefusedAnswerError, UnknownFeatureError
from scaffold.repository import Template
from scaffold.reader import File, Files, Rendered, TemplateVersion

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


def render_both(root: Path, to: str | None) -> Both:
    """Render a repository at the versions that it has, and at the one to come.

    Raises:
        ScaffoldError: where a version, an answer or the template is not to be had.
    """
    app = repository.read_template(root / repository.ANSWERS)
    history = _History(app.source)
    new = history.newest() if to is None else to
    both = Both(app.version, history.recorded(new))
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
        both.moved |= _moved(history.moves(recorded.version, new), base, theirs)
        known = {**given, **(app.answers if not module else {})}
        for name, value in answers.defaults.items():
            if name not in known:
                both.defaults[f"{module}.{name}" if module else name] = value
        both.answers_files.append(
            where + (repository.MODULE_ANSWERS if module else repository.ANSWERS)
        )
    both.changelog = history.changelog(app.version, new)
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

    def __init__(self, source: str) -> None:
        self._source = source
        self._repository = origin.history(source)
        self._versions: dict[str, TemplateVersion] = {}
        self._moves: dict[str, moves.Moves] = {}

    def newest(self) -> str:
        """The newest release, or the newest commit where there is none."""
        tags = objects.plumb("tag", "--list", cwd=self._repository).decode().split()
        releases = [tag for tag in tags if re.fullmatch(r"v?\d+(\.\d+)*", tag)]
        if not releases:
            return "HEAD"
        return max(releases, key=lambda tag: [int(part) for part in re.findall(r"\d+", tag)])

    def commit(self, version: str) -> str:
        """The hash of a version."""
        if objects.status_of(
            "rev-parse", "--verify", "--quiet", f"{version}^{{commit}}", cwd=self._repository
        ):
            raise ScaffoldError(
                f"the template {self._source} has no version {version}; "
                "restore it there, or take one that it has"
            )
        found = objects.plumb("rev-parse", f"{version}^{{commit}}", cwd=self._repository)
        return found.decode().strip()

    def recorded(self, version: str) -> str:
        """What answers files say of a version: its tag, or its hash."""
        is_tag = not objects.status_of(
            "rev-parse", "--verify", "--quiet", f"refs/tags/{version}", cwd=self._repository
        )
        return version if is_tag else self.commit(version)

    def render(
        self, version: str, given: Mapping[str, Any], recorded: Mapping[str, Any]
    ) -> Rendered:
        """Render a version; by Copier, where it uses what only Copier knows."""
        commit = self.commit(version)
        known = self.recorded(version)
        try:
            if commit not in self._versions:
                self._versions[commit] = TemplateVersion(self._repository, commit)
            return self._versions[commit].render(
                self._source, known, given=given, recorded=recorded
            )
        except UnknownFeatureError:
            return self._by_copier(known, {**recorded, **given})

    def _by_copier(self, version: str, answers: Mapping[str, Any]) -> Rendered:
        with tempfile.TemporaryDirectory(prefix="scaffold-") as folder:
            made = Path(folder) / "made"
            rendering.render(str(self._repository), version, made, answers)
            files = {
                path.relative_to(made).as_posix(): File(
                    "100755" if path.stat().st_mode & 0o100 else "100644", path.read_bytes(), ""
                )
                for path in made.rglob("*")
                if path.is_file() and not path.is_symlink()
            }
        return Rendered(files, Answers())

    def moves(self, old: str, new: str) -> moves.Moves:
        """What the template moved between two versions, by paths in the template."""
        if old not in self._moves:
            there = {path for _, _, path in objects.list_tree(self._repository, self.commit(new))}
            self._moves[old] = moves.in_template(
                self._repository, self.commit(old), self.commit(new), there
            )
        return self._moves[old]

    def changelog(self, old: str, new: str) -> str:
        """The lines that the template's changelog gained."""
        printed = objects.plumb(
            "diff",
            "--unified=0",
            self.commit(old),
            self.commit(new),
            "--",
            "CHANGELOG.md",
            cwd=self._repository,
        ).decode(errors="replace")
        return "\n".join(
            line[1:]
            for line in printed.splitlines()
            if line.startswith("+") and not line.startswith("+++")
        )
