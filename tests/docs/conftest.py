"""This repository as others find it, and the tool as they install it."""

import subprocess
from pathlib import Path

import pytest
from generated import ROOT, UV


@pytest.fixture
def address(tmp_path: Path) -> str:
    """Where this repository can be cloned from, and pushed to: what is committed of it."""
    path = tmp_path / "scaffold.git"
    subprocess.run(("git", "clone", "--quiet", "--bare", str(ROOT), str(path)), check=True)
    return str(path)


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the command `scaffold`, installed from a checkout."""
    folder = tmp_path_factory.mktemp("tool")
    forge, checkout, venv = folder / "scaffold.git", str(folder / "scaffold"), str(folder / "venv")
    for command in (
        ("git", "clone", "--quiet", "--bare", str(ROOT), str(forge)),
        ("git", "clone", "--quiet", str(forge), checkout),
        (UV, "venv", "--quiet", venv),
        (UV, "pip", "install", "--quiet", "--python", venv, checkout),
    ):
        subprocess.run(command, check=True)
    return folder / "venv/bin"
