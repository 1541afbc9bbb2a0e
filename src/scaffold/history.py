"""The versions of a template, from the one that is recorded to the one to come."""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scaffold import changes, git, moves, objects, origin, rendering, repository
from scaffold.changes import Changes
from scaffold.questions import Answers, RefusedAnswerError, UnknownFeatureError
from scaffold.reader import File, Rendered, TemplateVersion

Ask = Callable[[str, str, Any, str], Any]
"""Puts a question to the user: its name, what it is about, its default, and what was wrong with the
answer before. Returns an answer."""


class History:
    """The versions of a template, each read once."""

    def __init__(
        self, source: str, to: str | None, given: str | None, note: Callable[[str], None]
    ) -> None:
        self.new = origin.newer(source, to, given, note)
        self._source, self._given, self._note = source, given, note
        self._origins = {self.new.version: self.new}
        self._versions: dict[str, TemplateVersion] = {}
        self._moves: dict[str, moves.Moves] = {}
        self._ahead: dict[str, bool] = {}
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

    def is_ahead(self, version: str) -> bool:
        """Whether a recorded version is newer than the one to come."""
        before = self._origin(version)
        if before.place != self.new.place or before.revision == self.new.revision:
            return False
        if version not in self._ahead:
            place = Path(self.new.place)
            self._ahead[version] = objects.contains(place, before.revision, self.new.revision)
        return self._ahead[version]

    def contains(self, version: str) -> bool:
        """Whether a recorded version is a part of the one to come, as far as can be told."""
        before = self._origin(version)
        if before.place != self.new.place or before.revision == self.new.revision:
            return True
        if objects.contains(Path(self.new.place), self.new.revision, before.revision):
            return True
        related = ("merge-base", before.revision, self.new.revision)  # Wheels have no history.
        return objects.status_of(*related, cwd=Path(self.new.place)) != 0

    def stay_at(self, version: str) -> None:
        """Let a recorded version be the one to come."""
        self.new = self._origin(version)
        self._ahead, self._moves = {}, {}

    def render(
        self,
        version: str,
        given: Mapping[str, Any],
        recorded: Mapping[str, Any],
        check: bool,
        ask: Ask | None = None,
    ) -> Rendered:
        """Render a version; by Copier, where it uses what only Copier knows.

        Unless `check`, answers are taken that the version would refuse. `ask` is put what nobody
        has answered yet.
        """
        found = self._origin(version)
        try:
            if version not in self._versions:
                self._versions[version] = TemplateVersion(Path(found.place), found.revision)
            template = self._versions[version]
            made = template.render(
                found.source, version, given=given, recorded=recorded, check=check
            )
            asked: dict[str, Any] = {}
            wrong = ""
            # An answer may change what is asked next, and with which default.
            while ask and (new := made.answers.defaults.keys() - asked.keys() - recorded.keys()):
                name = next(each for each in made.answers.defaults if each in new)
                answer = ask(name, template.about(name), made.answers.defaults[name], wrong)
                more = {**given, **asked, name: answer}
                try:
                    made = template.render(found.source, version, given=more, recorded=recorded)
                except RefusedAnswerError as error:
                    wrong = str(error)
                else:
                    asked[name], wrong = answer, ""
            return made
        except UnknownFeatureError:
            return by_copier(found, {**recorded, **given})

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
            where = f"{changes.FILE} of {found.source} {version}"
            self._listed[version] = changes.at(Path(found.place), found.revision, where)
        return self._listed[version]

    def changelog(self, old: str) -> str:
        """The lines that the template's changelog has gained since a version."""
        before = self._origin(old)
        if before.place != self.new.place:
            return ""
        printed = objects.plumb(
            *(
                "diff",
                "--no-ext-diff",
                "--no-textconv",
                "--no-color",
                "--unified=0",
                before.revision,
                self.new.revision,
                "--",
                "CHANGELOG.md",
            ),
            cwd=Path(self.new.place),
        ).decode(errors="replace")
        return "\n".join(
            line[1:]
            for line in printed.splitlines()
            if line.startswith("+") and not line.startswith("+++")
        )


Histories = Callable[[str, str | None, str | None, Callable[[str], None]], History]
"""Finds a template's versions: its source, the version to come, where to read it, who is told."""


def render_module(found: origin.Origin, given: Mapping[str, Any], folder: Path) -> None:
    """Render one module, with answers, into a folder that does not exist yet.

    Raises:
        ScaffoldError: where an answer will not do, or the template cannot be rendered.
        OSError: when the disk did not take it.
    """
    try:
        made = TemplateVersion(Path(found.place), found.revision).render(
            found.source, found.version, given=given
        )
    except UnknownFeatureError:
        rendering.render(found, folder, given)
        return
    folder.mkdir(parents=True)
    for path, file in made.files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.mode == "120000":
            place.symlink_to(os.fsdecode(file.content))
            continue
        place.write_bytes(file.content)
        place.chmod(place.stat().st_mode | (0o111 if file.mode == "100755" else 0))


def by_copier(found: origin.Origin, answers: Mapping[str, Any]) -> Rendered:
    """Render a version by Copier itself: slower, and whatever it uses."""
    with tempfile.TemporaryDirectory(prefix="scaffold-") as folder:
        made = Path(folder) / "made"
        rendering.render(found, made, answers)
        paths = [path for path in made.rglob("*") if path.is_symlink() or path.is_file()]
        files = {path.relative_to(made).as_posix(): _read(path) for path in paths}
        recorded = repository.answers_files(made)[:1]
        taken = repository.read_template(recorded[0]).answers if recorded else {}
    return Rendered(files, Answers(defaults=taken))


def _read(path: Path) -> File:
    if path.is_symlink():
        return File("120000", os.fsencode(path.readlink()), "")
    return File("100755" if path.stat().st_mode & 0o100 else "100644", path.read_bytes(), "")
