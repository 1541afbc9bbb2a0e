"""A repository in which each check has something to look at, and may have nothing to say."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import ailing
import pytest
from ailing import TODAY
from conftest import FILES
from helpers import process
from histories import Template

from scaffold.doctor.examining import Examined, choose, examine

Look = Callable[..., list[str]]


@pytest.fixture(scope="session")
def park(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template, and a repository of its only version. Do not write to either."""
    folder = tmp_path_factory.mktemp("park")
    (folder / "origin").mkdir()
    Template(folder / "origin").begin(
        (template / "copier.yml").read_text(), {**FILES, **ailing.FILES}
    )
    done = process(
        "new", str(folder / "shop"), "--defaults", "--from", str(folder / "origin"), cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def shop(park: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that is on the path; the current folder is in it."""
    shutil.copytree(park / "shop", tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture
def look() -> Look:
    """Make one check of the current folder; return what it finds."""

    def _look(id_: str, today: date = TODAY) -> list[str]:
        done = examine(Path(), choose([id_], None), today=today)
        assert not done.not_known, done.not_known
        return [finding.what for _, finding in done.findings]

    return _look


@pytest.fixture
def all_found() -> Callable[..., Examined]:
    """Make all checks of the current folder."""
    return lambda **more: examine(Path(), choose([], None), today=TODAY, **more)
