"""A template with its tool beside it, as it is published, and repositories that record it."""

import re
import shutil
from pathlib import Path

from generated import ROOT, Repository
from helpers import git

_TOOL = ("src", "hatch_build.py", "pyproject.toml", "README.md", "template-changes.yaml")


def publish(template: Path, path: Path) -> Path:
    """Copy a template, put the tool beside it, and call that v1.0.0."""
    shutil.copytree(template, path)
    for name in _TOOL:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, path / name)
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--amend", "--no-edit")
    git(path, "tag", "--force", "v1.0.0")
    return path


def record(shop: Repository, address: str) -> None:
    """Let a repository say that its template is there."""
    for name in shop.git("ls-files", "*.copier-answers*.yml").split():
        text = re.sub(r"^_src_path: .*", f"_src_path: {address}", shop.read(name), flags=re.M)
        (shop.path / name).write_text(text, "utf-8")
    shop.commit("Record")
