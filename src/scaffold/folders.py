"""A module's folder that goes elsewhere: nothing is lost, and nothing stays behind."""

import os
import shutil
from pathlib import Path

from scaffold import git, objects
from scaffold.errors import ScaffoldError

_CACHES = ("__pycache__", "_cache", ".pyc", ".pyo")


def is_cache(path: str) -> bool:
    """Whether a path is of what Python and its tools make, and make again."""
    return any(part.endswith(_CACHES) for part in path.split("/"))


def check_committed(root: Path, folder: str) -> None:
    """Refuse a folder, or file, in which something is that git could not bring back."""
    changed = git.changes(root, folder) if (root / folder).exists() else []
    if changed:
        raise ScaffoldError(
            f"{folder} is not as it is committed ({changed[0].strip()}); commit that first, so "
            "that git can bring it back"
        )
    asked = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--", folder)
    for path in map(os.fsdecode, objects.plumb(*asked, cwd=root).split(b"\0")[:-1]):
        if not is_cache(path):
            raise ScaffoldError(
                f"git ignores {path}, which would stay behind; move it elsewhere, or delete it"
            )


def check_clean(root: Path) -> None:
    """Refuse a checkout with changes to what git knows."""
    changed = [line for line in git.changes(root, ".") if not line.startswith("??")]
    if changed:
        raise ScaffoldError(
            f"{root} has uncommitted changes ({changed[0].strip()}); commit or stash them first"
        )


def clear(folder: Path) -> None:
    """Remove caches from a folder, and it and what is in it where nothing else is there."""
    for path in (*sorted(folder.rglob("*"), reverse=True), folder):
        if path.is_dir() and not path.is_symlink():
            if is_cache(path.name):
                shutil.rmtree(path, ignore_errors=True)
            elif not any(path.iterdir()):
                path.rmdir()
        elif is_cache(path.name):
            path.unlink(missing_ok=True)
