"""Sort imports and format what was written into a repository, as its ruff is told to."""

import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ruff.__main__ import find_ruff_bin  # type: ignore[import-untyped]

from scaffold.errors import ScaffoldError

_CONFIGURATIONS = ("pyproject.toml", "ruff.toml", ".ruff.toml")


def tidy(root: Path, new: Mapping[str, bytes], unused: bool = False) -> dict[str, bytes]:
    """Tidy up whole files.

    Args:
        root: of the repository.
        new: by path.
        unused: whether imports that nothing uses go. In a package's own file they may stay: those
            are what others import from it.
    """
    with tempfile.TemporaryDirectory(prefix="scaffold-") as temporary:
        folder = _like(Path(temporary), root, new)
        rules = "I001,F401" if unused else "I001"
        _ruff(folder, "check", "--fix", "--select", rules, "--exit-zero", "--quiet", *new)
        _ruff(folder, "format", "--quiet", *new)
        return {path: (folder / path).read_bytes() for path in new}


def tidy_again(
    root: Path, before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Tidy up what was added to files; those that were not formatted before stay so."""
    if not after:
        return {}
    with tempfile.TemporaryDirectory(prefix="scaffold-") as temporary:
        folder = _like(Path(temporary), root, before)
        said = _ruff(folder, "format", "--check", "--output-format=concise", *before)
    formatted = {path: after[path] for path in after if path not in said}
    return {**after, **(tidy(root, formatted) if formatted else {})}


def _like(folder: Path, root: Path, files: Mapping[str, bytes]) -> Path:
    """A folder in which files stand as in a repository, with what ruff must know of that."""
    for name in _CONFIGURATIONS:
        if (root / name).is_file():
            (folder / name).write_bytes((root / name).read_bytes())
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        for module in re.findall(rb"^from (app[\w.]*) import", content, re.MULTILINE):
            package = folder / "src" / module.decode().replace(".", "/")
            package.mkdir(parents=True, exist_ok=True)
            (package / "__init__.py").touch()  # By what is there, ruff knows what is our own.
    return folder


def _ruff(folder: Path, command: str, *arguments: str) -> str:
    """Run the ruff that scaffold brings."""
    done = subprocess.run(
        [find_ruff_bin(), command, "--no-cache", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        reason = " ".join(done.stderr.split()) or "no reason given"
        raise ScaffoldError(f"ruff cannot format what would be written ({reason}); mend that first")
    return done.stdout
