"""Versions of a template, tried on a repository."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scaffold.adopting import guesses
from scaffold.adopting.fit import Fit, compare
from scaffold.adopting.search import Candidate
from scaffold.errors import ScaffoldError
from scaffold.questions import UnknownFeatureError
from scaffold.reader import Rendered, TemplateVersion
from scaffold.repository import MODULES

_BEST = 8
"""How many of those that fit best by hashes are rendered."""
_MOST = 40
"""How many are rendered at all."""
_SAMPLE = 10
"""How many modules have a say in which version it is."""
_SKELETONS = 20
"""How many skeletons are tried on a module that is edited."""
_NOISE = 1
"""By how much a module must fit another version better than that of the app."""


class Tried(NamedTuple):
    """A version, the answers it fits best with, and how well."""

    version: str
    answers: dict[str, Any]
    made: Rendered
    fit: Fit


class _Whole(NamedTuple):
    """A version that was tried on app and modules."""

    app: Tried
    score: float


class Versions:
    """The versions of a template, each read once.

    Args:
        root: of the repository that is compared with them.
        place: a repository that has them.
        source: what is recorded of it.
        candidates: in their order, the newest first.
        contents: the files of the repository.
        modules: the names of its modules.
    """

    def __init__(
        self,
        root: Path,
        place: Path,
        source: str,
        candidates: Sequence[Candidate],
        contents: Mapping[str, bytes],
        modules: Sequence[str],
    ) -> None:
        self._root, self._place, self._source, self._contents = root, place, source, contents
        self._candidates = list(candidates)
        self._commits = {each.version: each.commit for each in candidates}
        self._number = {each.version: number for number, each in enumerate(candidates)}
        self._folders = [f"{MODULES.as_posix()}/{name}/" for name in modules]
        self._names = list(modules)
        self._likely: dict[str, dict[str, Any]] = {}
        """The answers with which each module fitted the first version that was tried."""
        self._read: dict[str, TemplateVersion] = {}

    def _at(self, version: str) -> TemplateVersion:
        if version not in self._read:
            self._read[version] = TemplateVersion(self._place, self._commits[version])
        return self._read[version]

    def app(self, given: Mapping[str, Any]) -> Tried | None:
        """The version that fits app and modules best, of those that can be read."""
        order = sorted(self._candidates, key=lambda each: -each.score)[:_BEST]
        tried: dict[str, _Whole | None] = {}
        chosen: dict[str, Any] = {}
        for each in order:
            tried[each.version] = found = self._whole(each.version, given, chosen)
            chosen = chosen or (found.app.answers if found else {})
        best = self._newest_best(tried)
        while best and len(tried) < _MOST:  # A step to its neighbours, as long as that is no worse.
            at = self._number[best.app.version]
            beside = [each.version for each in self._candidates[max(at - 1, 0) : at + 2]]
            more = [version for version in beside if version not in tried]
            if not more:
                break
            for version in more:
                tried[version] = self._whole(version, given, chosen)
            best = self._newest_best(tried)
        return self._try(best.app.version, given, {}) if best else None

    def _newest_best(self, tried: "Mapping[str, _Whole | None]") -> "_Whole | None":
        found = [each for each in tried.values() if each]
        found.sort(key=lambda each: self._number[each.app.version])
        return max(found, key=lambda each: each.score, default=None)

    def _whole(
        self, version: str, given: Mapping[str, Any], chosen: Mapping[str, Any]
    ) -> "_Whole | None":
        """Try a version on the app, and on some of its modules."""
        app = self._try(version, given, chosen)
        if app is None:
            return None
        score = app.fit.score
        for name in self._names[:_SAMPLE]:
            if name not in self._likely:
                try:
                    shared = {**app.answers, **guesses.of_module(self._root, name)}
                except ScaffoldError:
                    shared = {"module": name}
                shared.pop("modules", None)
                kind = _best(self._kinds(name, shared, version), by_margin=True)
                self._likely[name] = kind.answers if kind else shared
            module = self._module(name, version, self._likely[name])
            score += module.fit.score if module else 0
        return _Whole(app, score)

    def at(self, version: str, answers: Mapping[str, Any]) -> Tried | None:
        """A version with answers that are known."""
        try:
            return self._render(version, dict(answers))
        except (UnknownFeatureError, ScaffoldError):
            return None

    def _try(
        self, version: str, given: Mapping[str, Any], chosen: Mapping[str, Any]
    ) -> Tried | None:
        """Render a version with what was chosen before, or else with each choice that it offers."""
        answers = {**given}
        try:
            best = self._render(version, answers)
            for question, values in self._at(version).choices().items():
                if question in given:
                    continue
                if question in chosen:
                    answers[question] = chosen[question]
                    best = self._render(version, answers)
                    continue
                default = best.made.answers.values.get(question)
                for value in values:
                    tried = self._render(version, {**answers, question: value})
                    if value != default and tried.fit.score > best.fit.score:
                        best = tried
                answers[question] = best.answers.get(question, default)
        except (UnknownFeatureError, ScaffoldError):
            return None
        return best._replace(answers=answers)

    def _render(self, version: str, answers: dict[str, Any]) -> Tried:
        made = self._at(version).render(self._source, version, given=answers, check=False)
        return Tried(version, answers, made, compare(made.files, self._contents, "", self._folders))

    def module(self, name: str, shared: Mapping[str, Any], app: str) -> Tried | None:
        """The kind and the version that a module fits best; of equal ones, that of the app.

        Args:
            name: of the module.
            shared: answers that it has whatever kind it is of.
            app: the version of the app.
        """
        best = _best(self._kinds(name, shared, app), by_margin=True)
        if best is None or (not best.fit.edited and not best.fit.missing):
            return best
        kind = next((each for each in ("example", "bare") if each in best.answers), "plain")
        place = self._number[app]
        seen = {self._candidates[place].modules[kind]}
        # The nearest first: a module is seldom much newer than the app, or much older.
        for each in sorted(
            self._candidates, key=lambda each: abs(self._number[each.version] - place)
        ):
            if each.modules[kind] not in seen and len(seen) <= _SKELETONS:
                seen.add(each.modules[kind])
                other = self._module(name, each.version, best.answers)
                if other and other.fit.margin >= best.fit.margin + _NOISE:
                    best = other
        return best

    def _kinds(self, name: str, shared: Mapping[str, Any], version: str) -> Iterator[Tried | None]:
        paths = self._at(version).paths
        for example in sorted(
            {path.split("/")[1] for path in paths if path.startswith("examples/")}
        ):
            if any(path.startswith(f"examples/{example}/{name}/") for path in paths):
                yield self._module(name, version, {"module": name, "example": example})
        yield self._module(name, version, dict(shared))
        for entity in guesses.entities(name, self._contents):
            yield self._module(name, version, {**shared, **entity, "rooted": True})
            yield self._module(name, version, {**shared, **entity})
        yield self._module(name, version, {**shared, "bare": True})

    def _module(self, name: str, version: str, answers: dict[str, Any]) -> Tried | None:
        try:
            made = self._at(version).render(self._source, version, given=answers, check=False)
        except (UnknownFeatureError, ScaffoldError):
            return None
        folder = f"{MODULES.as_posix()}/{name}/"
        return Tried(version, answers, made, compare(made.files, self._contents, folder))

    def record(self, tried: Tried, answers: Mapping[str, Any]) -> Rendered:
        """Render with answers that the version must take. Raises ScaffoldError."""
        return self._at(tried.version).render(self._source, tried.version, given=answers)


def _best(tried: Iterable[Tried | None], by_margin: bool = False) -> Tried | None:
    """The one that fits best; of equal ones, the first."""
    found: list[Tried] = [each for each in tried if each is not None]
    return max(
        found, key=lambda each: each.fit.margin if by_margin else each.fit.score, default=None
    )
