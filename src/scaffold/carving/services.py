"""Which modules are services of their own: an answer that the template has."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scaffold import repository
from scaffold.errors import ScaffoldError

SERVICES = "services"
"""The question of the template, and the folder below `deploy/`."""
DATA, OWN = "data", "own"
"""What the answer says of a service that has a database of its own."""
FIRST = 8001
"""The port that the first gets on a machine that runs all."""


def services_of(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Modules that are services, by name, each with what the template has to know of it."""
    found = answers.get(SERVICES)
    return dict(found) if isinstance(found, dict) else {}


def own_data(about: Mapping[str, Any]) -> bool:
    """Whether a service has a database of its own."""
    return about.get(DATA) == OWN


def check_together(root: Path, name: str, what: str) -> None:
    """Refuse to rename or remove a module that is a service, or that one calls."""
    recorded = repository.read_template(root / repository.ANSWERS)
    for each, about in services_of(recorded.answers).items():
        if each == name:
            raise ScaffoldError(
                f"{name} is a service of its own; `scaffold uncarve {each}` first, deploy "
                f"that, and {what} it then"
            )
        if name in about.get("needs", ()):
            raise ScaffoldError(
                f"{each}, which is a service of its own, calls {name}; `scaffold uncarve {each}` "
                f"first, deploy that, {what} {name}, and carve again"
            )
