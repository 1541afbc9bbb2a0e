"""Which release of this application runs: its name, its version, and the commit it was built from."""

from functools import cache
from importlib.metadata import Distribution, entry_points
from importlib.util import find_spec
from pathlib import Path


@cache
def _distribution() -> Distribution | None:
    for each in entry_points(group="console_scripts", name="app"):
        if each.value == "app.cli:main" and each.dist is not None:
            return each.dist
    return None


def application_name() -> str:
    """Return what `pyproject.toml` calls this application."""
    installed = _distribution()
    return "app" if installed is None else installed.name


def application_description() -> str:
    """Return what `pyproject.toml` says this application is for."""
    installed = _distribution()
    if installed is None or "Summary" not in installed.metadata:
        return ""
    return installed.metadata["Summary"]


def user_agent(version: str) -> str:
    """Return how this application calls itself where it asks others: `shop/1.4.2`."""
    return f"{application_name()}/{version}"


def installed_version() -> str:
    """Return the version in `pyproject.toml`, which counts where nobody says another."""
    installed = _distribution()
    return "0" if installed is None else installed.version


def is_for_development() -> bool:
    """Say whether this is a developer's installation: what is deployed lacks `app.development`, and
    what that needs."""
    development = Path(__file__).parents[2] / "development"
    return development.is_dir() and find_spec("jinja2") is not None
