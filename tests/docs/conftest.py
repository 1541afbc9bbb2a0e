"""This repository as others find it, and the tool as they install it."""

import subprocess
from pathlib import Path

import pytest
from generated import ROOT, UV


def _forge(path: Path) -> str:
    """A bare clone of what is committed here, with a branch main, whatever is checked out."""
    for command in (
        ("clone", "--quiet", "--bare", str(ROOT), str(path)),
        ("-C", str(path), "update-ref", "refs/heads/main", "HEAD"),
        ("-C", str(path), "symbolic-ref", "HEAD", "refs/heads/main"),
    ):
        subprocess.run(("git", *command), check=True)
    return str(path)


@pytest.fixture
def address(tmp_path: Path) -> str:
    """Where this repository can be cloned from, and pushed to."""
    return _forge(tmp_path / "scaffold.git")


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the command `scaffold`, installed from a checkout."""
    folder = tmp_path_factory.mktemp("tool")
    checkout, venv = str(folder / "scaffold"), str(folder / "venv")
    for command in (
        ("git", "clone", "--quiet", _forge(folder / "scaffold.git"), checkout),
        (UV, "venv", "--quiet", venv),
        (UV, "pip", "install", "--quiet", "--python", venv, checkout),
    ):
        subprocess.run(command, check=True)
    return folder / "venv/bin"
