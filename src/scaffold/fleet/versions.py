"""The versions of templates, each asked for, read and rendered once for all repositories."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

from scaffold import git, moves
from scaffold.errors import ScaffoldError
from scaffold.history import Ask, History
from scaffold.installation import RELEASE
from scaffold.reader import Rendered

_T = TypeVar("_T")


class Shared:
    """Finds the history of a template; takes the place of `History` in an update."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._found: dict[tuple[object, ...], _History | ScaffoldError] = {}

    def __call__(
        self, source: str, to: str | None, given: str | None, note: Callable[[str], None]
    ) -> "_History":
        key = (source, to, given)
        with self._lock:
            if key not in self._found:
                try:
                    self._found[key] = _History(source, to, given, note)
                except ScaffoldError as error:  # For the next one it would be the same.
                    self._found[key] = error
        found = self._found[key]
        if isinstance(found, ScaffoldError):
            raise ScaffoldError(str(found))
        return copy.copy(found)  # One that stays at its version leaves the others alone.


class _History(History):
    """A history that several threads may ask: each answer is found once."""

    def __init__(
        self, source: str, to: str | None, given: str | None, note: Callable[[str], None]
    ) -> None:
        super().__init__(source, to, given, note)
        self._lock = RLock()
        self._known: dict[str, Any] = {}

    def render(
        self,
        version: str,
        given: Mapping[str, Any],
        recorded: Mapping[str, Any],
        check: bool,
        ask: Ask | None = None,
    ) -> Rendered:
        def made() -> Rendered:
            return super(_History, self).render(version, given, recorded, check, ask)

        return self._once(made, "render", version, dict(given), dict(recorded), check)

    def is_ahead(self, version: str) -> bool:
        return self._once(lambda: super(_History, self).is_ahead(version), "ahead", version)

    def contains(self, version: str) -> bool:
        return self._once(lambda: super(_History, self).contains(version), "contains", version)

    def changelog(self, old: str) -> str:
        return self._once(lambda: super(_History, self).changelog(old), "changelog", old)

    def moves(self, old: str) -> moves.Moves:
        return self._once(lambda: super(_History, self).moves(old), "moves", old)

    def behind(self, version: str) -> str:
        """How far a version is behind the one to come, in words."""
        return self._once(lambda: self._behind(version), "behind", version)

    def _behind(self, version: str) -> str:
        before = self._origin(version)
        if before.revision == self.new.revision:
            return ""
        if before.place != self.new.place:
            return "some"
        place = Path(self.new.place)
        between = ("--merged", self.new.revision, "--no-merged", before.revision)
        releases = [
            tag for tag in git.run("tag", *between, cwd=place).split() if RELEASE.fullmatch(tag)
        ]
        if releases:
            return f"{len(releases)} release{'s' * (len(releases) > 1)}"
        commits = git.run(
            "rev-list", "--count", f"{before.revision}..{self.new.revision}", cwd=place
        )
        return f"{commits} commit{'s' * (commits != '1')}"

    def _once(self, find: Callable[[], _T], *about: object) -> _T:
        key = json.dumps([self.new.revision, *about], sort_keys=True, default=str)
        with self._lock:
            if key not in self._known:
                self._known[key] = find()
            found: _T = self._known[key]
            return found
