"""What checks look at: a repository and its template, each part read once, if it is asked for."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from scaffold import addresses, git, mirror, origin, repository
from scaffold.doctor.distance import Distance, between
from scaffold.doctor.finding import NotKnownError
from scaffold.errors import ScaffoldError
from scaffold.reader import Files
from scaffold.repository import Template

_MODULES = f"{repository.MODULES.as_posix()}/"


@dataclass(frozen=True)
class Module:
    """A module's folder, as far as it can be read.

    Attributes:
        name: of the folder.
        settings: what module.toml says; None where that cannot be read.
        template: what its answers say; None where there are none, or they cannot be read.
        has_answers: whether there is a file of them.
    """

    name: str
    settings: dict[str, Any] | None
    template: Template | None
    has_answers: bool


class Seen:
    """A repository as it stands in its folder.

    Args:
        root: of the repository.
        today: the day that dates are compared with.
        source: path or URL to read the template from, instead of where it is recorded.
        database: URL of the live database, if that is to be looked at.
    """

    def __init__(
        self, root: Path, today: date, source: str | None = None, database: str | None = None
    ) -> None:
        self.root, self.today, self.database = root, today, database
        self._source, self._fetched = source, False
        self.unreadable: dict[str, str] = {}
        """Answers and settings that cannot be read: path, and why."""

    def fetch(self, note: origin.Note) -> None:
        """Ask the template's address for all that is new there."""
        if self.app is None:
            return
        address = self._source or self.app.source
        addresses.check(address)
        if addresses.is_remote(address):
            self._fetched = True
            mirror.of(addresses.for_git(address), None, note)
            mirror.of(addresses.for_git(address), self.app.version, note)

    @cached_property
    def app(self) -> Template | None:
        """What the repository records of its template."""
        return self._template(repository.ANSWERS)

    @cached_property
    def recorded(self) -> Template:
        """The same, where it can be read."""
        if self.app is None:
            raise NotKnownError(f"{repository.ANSWERS} cannot be read")
        return self.app

    @cached_property
    def modules(self) -> list[Module]:
        """The modules, by name. A folder without Python is none: so a removed one may be left."""
        folders = [self.root / _MODULES / name for name in repository.module_names(self.root)]
        return [self._module(each) for each in folders if (each / "__init__.py").is_file()]

    def _module(self, folder: Path) -> Module:
        settings: dict[str, Any] | None = None
        try:
            settings = repository.read_settings(folder)
        except ScaffoldError as error:
            self.unreadable[f"{_MODULES}{folder.name}/module.toml"] = self.short(error)
        path = f"{_MODULES}{folder.name}/{repository.MODULE_ANSWERS}"
        has_answers = (self.root / path).is_file()
        return Module(
            folder.name, settings, self._template(path) if has_answers else None, has_answers
        )

    def _template(self, path: str) -> Template | None:
        try:
            return repository.read_template(self.root / path)
        except ScaffoldError as error:
            self.unreadable[path] = self.short(error)
            return None

    def short(self, error: ScaffoldError) -> str:
        """What an error says is wrong, with paths as they are in the repository."""
        return str(error).replace(f"{self.root}/", "").partition(";")[0]

    def read(self, path: str) -> bytes | None:
        """The content of a file in the folder; None where there is none."""
        file = self.root / path
        return file.read_bytes() if file.is_file() else None

    @cached_property
    def in_git(self) -> bool:
        """Whether the folder stands in a git repository."""
        return git.around(self.root) is not None

    @cached_property
    def template(self) -> origin.Origin:
        """The recorded version of the template, on this machine.

        Raises:
            NotKnownError: where it is not here.
            ScaffoldError: where it should be, and is not.
        """
        found = origin.at_hand(self.recorded.source, self.recorded.version, self._source)
        if found is None and self._fetched:
            raise ScaffoldError(
                f"the template {self._source or self.recorded.source} has no version "
                f"{self.recorded.version}; restore it there"
            )
        if found is None:
            raise NotKnownError(
                f"template {self.recorded.version[:10]} is not on this machine; --fetch asks for it"
            )
        return found

    def _at_hand(self) -> origin.Origin:
        """The same for those to whom it is all one why there is none."""
        try:
            return self.template
        except ScaffoldError:
            raise NotKnownError("the template is not to be had") from None

    @property
    def asked_on(self) -> date | None:
        """When the template's address was asked last, if what is known comes from there."""
        place = Path(self._at_hand().place)
        is_mirror = place.parent == mirror.folder() and place.suffix == ".git"
        return mirror.asked_on(place) if is_mirror else None

    @property
    def is_bundled(self) -> bool:
        """Whether all that is known of the template is what `scaffold` brings."""
        return Path(self._at_hand().place) == mirror.folder() / "template"

    @cached_property
    def newest(self) -> origin.Origin:
        """The newest version of the template that is known on this machine."""
        return origin.newest_at(self._at_hand())

    @cached_property
    def distance(self) -> Distance:
        """How far behind the repository is."""
        return between(self._at_hand(), self.newest)

    @cached_property
    def rendered(self) -> Files:
        """What the template made of the app at the recorded version: no module, no answers."""
        from scaffold.history import by_copier
        from scaffold.questions import UnknownFeatureError
        from scaffold.reader import TemplateVersion

        found = self._at_hand()
        answers = self.recorded.answers
        try:
            template = TemplateVersion(Path(found.place), found.revision)
            made = template.render(found.source, found.version, recorded=answers, check=False)
        except UnknownFeatureError:
            made = by_copier(found, answers)
        return {
            path: file
            for path, file in made.files.items()
            if path != repository.ANSWERS
            and (not path.startswith(_MODULES) or path.count("/") == _MODULES.count("/"))
        }

    @cached_property
    def edited(self) -> list[str]:
        """Rendered files that are there and are not what was rendered."""
        contents = {path: self.read(path) for path in self.rendered}
        return [
            path
            for path, now in contents.items()
            if now is not None and _plain(now) != _plain(self.rendered[path].content)
        ]

    @cached_property
    def missing(self) -> list[str]:
        """Rendered files that are not there."""
        return [path for path in self.rendered if not (self.root / path).is_file()]

    @cached_property
    def changed_sources(self) -> set[str]:
        """The template's files that its newest version has changed, moved or dropped."""
        old, new = self._at_hand(), self.newest
        asked = ("diff", "--name-only", "--no-renames", "-z", old.revision, new.revision)
        return set(git.run(*asked, cwd=Path(old.place)).split("\0"))

    @cached_property
    def live(self) -> dict[str, Any]:
        """What the repository's own Python says of the live database."""
        from scaffold.doctor.database_checks import ask

        if self.database is None:
            raise NotKnownError("no --database was given")
        return ask(self.root, self.database)


def _plain(content: bytes) -> bytes:
    """Without the line ends of the machine that it was checked out on."""
    return content.replace(b"\r\n", b"\n")
