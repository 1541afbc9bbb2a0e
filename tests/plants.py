"""Violations put into a repository, each in a file of its own, and looked for all at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from generated import Repository

MODULES = "src/app/modules"
BILLING = f"{MODULES}/billing"
ORDERING = f"{MODULES}/ordering"


@dataclass(frozen=True)
class Plant:
    """A file beside one that there is; the check must name the line that holds `at`, or the last."""

    file: str
    text: str
    says: str = ""
    at: str = ""


class Garden:
    """A repository with plants in it, and what its checks say of each."""

    def __init__(self, repository: Repository, plants: Mapping[str, Plant], *command: str) -> None:
        self._plants = plants
        self._where: dict[str, tuple[str, int]] = {}
        for number, (name, plant) in enumerate(plants.items()):
            beside = PurePosixPath(plant.file)
            file = str(beside.with_name(f"{beside.stem}_{number}.py"))
            path = repository.path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{plant.text}\n", "utf-8")
            lines = plant.text.splitlines()
            at = plant.at or lines[-1]
            line = max(number for number, text in enumerate(lines, 1) if at in text)
            self._where[name] = file, line
        self.printed = repository.run(".venv/bin/python", "-m", *command, check=False).stdout
        assert "Traceback" not in self.printed, self.printed

    def said_of(self, name: str) -> list[str]:
        """What is said of the file of a plant, each behind the number of its line."""
        begin = f"{self._where[name][0]}:"
        lines = self.printed.splitlines()
        return [each.removeprefix(begin) for each in lines if each.startswith(begin)]

    def assert_refused(self, name: str) -> None:
        """Only one line is named, and why."""
        said = self.said_of(name)
        assert said, f"nothing was said of {self._where[name]}:\n{self.printed}"
        assert {each.partition(":")[0] for each in said} == {str(self._where[name][1])}, said
        assert any(self._plants[name].says in each for each in said), said
