"""Several repositories of one template."""

from collections.abc import Callable
from pathlib import Path

from helpers import git

Make = Callable[..., Path]
"""Make a repository: its name; `edit` lets it conflict, `remote` gives it an origin."""


def branches(folder: Path) -> list[str]:
    """The branches of a repository."""
    return git(folder, "branch", "--format=%(refname:lstrip=2)").split()
