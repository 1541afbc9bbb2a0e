"""What the template wrote itself: its examples name modules that need not be the team's."""

from collections.abc import Callable
from pathlib import Path

from scaffold import origin, repository
from scaffold.errors import ScaffoldError
from scaffold.questions import UnknownFeatureError

_OF_TEMPLATE = (
    ".agents/",
    ".github/",
    "AGENTS.md",
    "Makefile",
    "README.md",
    "checks/",
    "conftest.py",
    "docs/",
    "observability/rules",
    "pyproject.toml",
    "src/app/cli",
    "src/app/development/",
    "src/app/platform/",
    "tests/platform/",
)


class Examples:
    """Lines that stand in files as the template delivered them.

    Args:
        root: of the repository.
        source: path or URL to read the template from; none finds it.
        note: is told what takes long.
    """

    def __init__(
        self, root: Path, source: str | None, note: Callable[[str], None] = lambda _: None
    ) -> None:
        self._lines: dict[str, set[str]] | None = None
        self.missing = ""
        """Why the template could not be asked; then whole files count as its own."""
        recorded = repository.read_template(root / repository.ANSWERS)
        from scaffold.reader import TemplateVersion  # Jinja: only where something is rendered.

        try:
            found = origin.recall(recorded.source, recorded.version, source, note)
            # Without modules: a line that is made of their names is no example.
            made = TemplateVersion(Path(found.place), found.revision).render(
                found.source,
                found.version,
                recorded={**recorded.answers, "modules": []},
                check=False,
            )
        except UnknownFeatureError:
            self.missing = "only Copier can render it"
        except ScaffoldError as error:
            if source is not None:
                raise
            self.missing = str(error)
        else:
            self._lines = {
                path: set(file.content.decode(errors="replace").splitlines())
                for path, file in made.files.items()
                if not path.startswith(f"{repository.MODULES.as_posix()}/")
            }

    def lines(self, path: str, text: str) -> set[str]:
        """The lines of a file that are the template's."""
        if self._lines is not None:
            return self._lines.get(path, set())
        return set(text.splitlines()) if path.startswith(_OF_TEMPLATE) else set()
