"""The only file that runs git."""

import os
import shutil
import subprocess
from pathlib import Path

from scaffold.errors import ScaffoldError

# Set while a hook or `git rebase --exec` runs: they would point every git below at that repository.
_INHERITED = (
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)


def need() -> None:
    """Refuse to go on without git, and forget the repository of a hook that calls us."""
    if shutil.which("git") is None:
        raise ScaffoldError("git is not on PATH; install it and try again")
    for name in _INHERITED:
        os.environ.pop(name, None)


def is_root(folder: Path) -> bool:
    """Tell whether a folder is the top of a git repository (a bare one counts)."""
    try:
        top = run("rev-parse", "--show-toplevel", cwd=folder)
    except ScaffoldError as error:
        if "dubious ownership" in str(error):
            raise
        return _succeeds("rev-parse", "--resolve-git-dir", str(folder), cwd=folder)
    return Path(top).resolve() == folder.resolve()


def head(folder: Path) -> str:
    """The full hash of the commit that is checked out."""
    try:
        return run("rev-parse", "--verify", "HEAD", cwd=folder)
    except ScaffoldError:
        raise ScaffoldError(f"{folder} has no commit yet; commit the template first") from None


def tags(folder: Path) -> list[str]:
    """All tags of a repository."""
    return run("tag", "--list", cwd=folder).split()


def changes(folder: Path, *paths: str) -> list[str]:
    """Uncommitted changes below some paths, one line each, as `git status --porcelain` says it."""
    return run("status", "--porcelain", "--", *paths, cwd=folder).splitlines()


def has_commit(folder: Path, revision: str) -> bool:
    """Tell whether a revision, in any spelling that git understands, names a commit."""
    return _succeeds("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", cwd=folder)


def need_identity() -> None:
    """Refuse to go on when a commit would fail because git does not know whose it is."""
    if not _succeeds("var", "GIT_AUTHOR_IDENT") or not _succeeds("var", "GIT_COMMITTER_IDENT"):
        raise ScaffoldError(
            "git does not know who you are, so the first commit would fail; "
            "set `git config --global user.name` and `user.email`, or pass --no-git"
        )


def first_commit(folder: Path, message: str) -> None:
    """Make a folder a git repository on the branch `main` and commit all of it."""
    try:
        run("init", "--quiet", "--initial-branch=main", cwd=folder)
        run("add", "--all", cwd=folder)
        run("commit", "--quiet", "--message", message, cwd=folder)
    except ScaffoldError as error:
        raise ScaffoldError(f"{error}; mend that, or pass --no-git") from None


def run(*arguments: str, cwd: Path | None = None) -> str:
    """Run git and return what it prints, without the space at the end."""
    done = _git(*arguments, cwd=cwd)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[0]
        raise ScaffoldError(f"git {arguments[0]} failed in {cwd or Path.cwd()}: {said}")
    return done.stdout.rstrip()


def _succeeds(*arguments: str, cwd: Path | None = None) -> bool:
    return _git(*arguments, cwd=cwd).returncode == 0


def _git(*arguments: str, cwd: Path | None) -> subprocess.CompletedProcess[str]:
    command = ["git", *arguments]
    try:
        return subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError:
        raise ScaffoldError("git is not on PATH; install it and try again") from None
