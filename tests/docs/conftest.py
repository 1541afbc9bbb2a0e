"""This repository as others find it, and the tool as they install it."""

import subprocess
from pathlib import Path

import pytest
from generated import ROOT, UV


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where this repository can be cloned from: what is committed of it."""
    path = tmp_path_factory.mktemp("forge") / "scaffold.git"
    clone = ("git", "clone", "--quiet", "--bare", str(ROOT), str(path))
    subprocess.run(clone, check=True)
    return str(path)


@pytest.fixture(scope="session")
def tool(address: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the command `scaffold`, installed from a checkout."""
    folder = tmp_path_factory.mktemp("tool")
    for command in (
        ("git", "clone", "--quiet", address, str(folder / "scaffold")),
        (UV, "venv", "--quiet", str(folder / "venv")),
        (UV, "pip", "install", "--quiet", "--python", str(folder / "venv"), str(folder / "scaffold")),
    ):
        subprocess.run(command, check=True)
    return folder / "venv/bin"
