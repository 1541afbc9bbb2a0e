"""A few repositories of one template, on a forge of their own; `gh` is a stand-in that keeps notes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fleets import Make
from helpers import git
from histories import TEN, Template

GH = """\
#!/bin/sh
repository=$(basename "$(git remote get-url origin)" .git)
echo "$repository $*" >>"$GH_NOTES/calls"
case "$1 $2" in
"auth status") [ ! -e "$GH_NOTES/logged-out" ] ;;
"pr list")
    state=$(cat "$GH_NOTES/state-$repository" 2>/dev/null || echo OPEN)
    if [ -e "$GH_NOTES/$repository" ]; then
        echo "[{\\"url\\":\\"https://forge.example/$repository/1\\",\\"state\\":\\"$state\\"}]"
    else echo '[]'; fi ;;
"pr create")
    if [ -e "$GH_NOTES/$repository" ]; then echo "there already" >&2; exit 1; fi
    if [ -e "$GH_NOTES/refuse" ]; then echo "GraphQL: no rights" >&2; exit 1; fi
    git ls-remote --exit-code origin "refs/heads/$4" >/dev/null || exit 1
    cat >"$GH_NOTES/body-$repository"
    mv "$GH_NOTES/body-$repository" "$GH_NOTES/$repository"
    echo "https://forge.example/$repository/1" ;;
esac
"""


@pytest.fixture(autouse=True)
def _home(home: Path) -> None:
    """A cache of one's own."""


@pytest.fixture
def newer(origin: Template) -> Template:
    """The template with v1.1.0: line 5 of the guide, and a file, are new."""
    origin.write("docs/guide.md", TEN.replace("line 5", "their line 5"))
    origin.write("docs/new.md", "new\n")
    origin.release("v1.1.0")
    return origin


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in for `gh` keeps what it was asked; it is on PATH."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gh").write_text(GH)
    (tmp_path / "bin/gh").chmod(0o755)
    monkeypatch.setenv("GH_NOTES", str(folder))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def make(team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a repository in `src/`: `edit` changes line 5, `remote` gives it an origin."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "forge").mkdir()
    spare = tmp_path / "spare"
    shutil.copytree(team, spare)
    guide = spare / "docs/guide.md"
    guide.write_text(TEN.replace("line 5", "our line 5"))
    git(spare, "commit", "--quiet", "--all", "--message", "Edit")

    def _make(name: str, *, edit: bool = False, remote: bool = False) -> Path:
        made = tmp_path / "src" / name
        shutil.copytree(spare if edit else team, made)
        if remote:
            bare = tmp_path / "forge" / f"{name}.git"
            shutil.copytree(made / ".git", bare)
            git(bare, "config", "core.bare", "true")
            subprocess.run(["git", "remote", "add", "origin", str(bare)], cwd=made, check=True)
        return made

    return _make
