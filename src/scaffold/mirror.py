"""Copies of repositories elsewhere: one of each, which asks again only for what it lacks."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from subprocess import CompletedProcess

from scaffold import addresses, git, plan
from scaffold.errors import ScaffoldError

_EVERYTHING = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
Said = CompletedProcess[str]
SECONDS = 60
PATIENCE = ("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=30")


def folder() -> Path:
    """Where all that may be deleted at any time is kept."""
    return Path("~/.cache/scaffold-monolith").expanduser()


def of(url: str, version: str | None, note: Callable[[str], None]) -> Path:
    """A bare repository with a version, or without one given, as new as the other side is now.

    A version that is here already is taken without asking: releases and commits do not move.

    Args:
        url: as git takes it.
        version: tag or commit; none asks for all there is.
        note: is told what takes long, before it does.

    Raises:
        ScaffoldError: with git's reason.
    """
    mirror = kept(url)
    if version is not None and mirror.is_dir() and git.has_commit(mirror, version):
        return mirror
    note(f"asking {addresses.redact(url)}")
    mirror.parent.mkdir(parents=True, exist_ok=True)
    (mirror.parent / "lock").touch()
    with plan.lock(mirror.parent / "lock"):
        if not mirror.is_dir():
            _clone(url, mirror)
        else:
            _ask(url, mirror, "fetch", "--quiet", "--prune", "--force", "--", url, *_EVERYTHING)
        if version is not None and not git.has_commit(mirror, version):
            git.succeeds(
                "fetch", "--quiet", "--no-write-fetch-head", "--", url, version, cwd=mirror
            )
    return mirror


def kept(url: str) -> Path:
    """Where the copy of a repository is, once there is one."""
    return folder() / f"{hashlib.sha256(url.encode()).hexdigest()[:20]}.git"


def asked_on(mirror: Path) -> date:
    """The day on which the other side was asked last for all there is."""
    files = [mirror / name for name in ("HEAD", "FETCH_HEAD")]
    return date.fromtimestamp(max(file.stat().st_mtime for file in files if file.exists()))


def _clone(url: str, mirror: Path) -> None:
    """Make the copy beside its place, so that a killed run leaves no half of one."""
    aside = Path(tempfile.mkdtemp(prefix="clone-", dir=mirror.parent))
    try:
        _ask(url, aside, "clone", "--quiet", "--bare", "--", url, str(aside / "git"))
        (aside / "git").rename(mirror)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def look(url: str, *options: str, refs: tuple[str, ...] = ("HEAD",), cwd: Path) -> "Said":
    """Ask another side for its refs. One that says nothing at all is not waited for.

    What takes longer for good reasons comes after this, and is under git's own eyes.
    """
    asked = (*options, *PATIENCE, "ls-remote", "--symref", "--", url, *refs)
    return git.call(*asked, cwd=cwd, seconds=SECONDS)


def _ask(url: str, cwd: Path, *arguments: str) -> None:
    done = git.call(*PATIENCE, *arguments, cwd=cwd)
    if done.returncode:
        raise ScaffoldError(f"{url} cannot be reached: {git.reason(done.stderr)}")
