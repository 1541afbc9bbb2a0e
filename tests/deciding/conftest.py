"""A repository with a planted history."""

import os
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from helpers import git

Plant = Callable[..., None]
DAY = 86_400
MODULES = ("billing", "catalog", "ordering")


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with three modules of two owners, and no commit; the current folder is in it."""
    root = tmp_path / "shop"
    for name in MODULES:
        folder = root / "src/app/modules" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "module.toml").write_text('owner = "@acme/team"\n')
    (root / ".copier-answers.yml").write_text("_src_path: /x\n_commit: v1.0.0\n")
    (root / "CODEOWNERS").write_text(
        "* @acme/team\n/src/app/modules/billing/ @acme/payments @ada # money\n"
    )
    git(root, "init", "--quiet", "--initial-branch=main")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def plant(planted: Path) -> Plant:
    """Commit, by somebody some days ago: paths below the root."""

    def _plant(who: str, paths: Iterable[str], days: float = 10, address: str = "") -> None:
        for path in paths:
            file = planted / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{file.read_text() if file.exists() else ''}{who}\n")
        when = f"{int(time.time() - days * DAY)} +0000"
        identity = f"user.email={address or who.replace(' ', '.') + '@acme.org'}"
        git(planted, "add", "--", *paths)
        subprocess.run(
            ["git", "-c", f"user.name={who}", "-c", identity, "commit", "--quiet", "-m", "x"],
            cwd=planted,
            env={**os.environ, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when},
            check=True,
        )

    return _plant
