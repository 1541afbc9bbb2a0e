"""The contracts of a commit, made from its own code in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from checks import history
from checks.source import ROOT

Documents = dict[str, Any]
CODE = ("src/app", "pyproject.toml")
"""What contracts are made from."""


_SYNC = ("sync", "--quiet", "--frozen", "--no-default-groups", "--no-install-project", "--project")


class UnreadableCodeError(Exception):
    """Code that cannot be imported. Tells what Python said."""


def render(commit: str | None = None) -> Documents:
    """Return the contracts of one commit, or of what is here. Raises UnreadableCodeError."""
    with TemporaryDirectory() as name:
        root = folder = Path(name)
        if commit is None:
            root = ROOT
        elif not history.extract(commit, CODE, folder):
            raise UnreadableCodeError(f"it has no {' and '.join(CODE)}")
        written = folder / "contracts.json"
        render: list[str | Path] = ["-m", "checks.contracts.document", root, written]
        failed = _run([sys.executable, *render], root)
        if failed and commit is not None and history.extract(commit, ("uv.lock",), folder):
            # An update of libraries may leave the old code behind: let it have its own.
            sync: list[str | Path] = [os.environ.get("UV", "uv"), *_SYNC, folder]
            own: list[str | Path] = [folder / ".venv" / "bin" / "python", *render]
            if not (_run(sync, root) or _run(own, root)):
                failed = None
        if failed:
            raise UnreadableCodeError(failed)
        documents: Documents = json.loads(written.read_text("utf-8"))
        return documents


def _run(command: list[str | Path], root: Path) -> str | None:
    """Run a command on the code below `root`; return what went wrong."""
    own = {"PYTHONPATH": str(root / "src"), "UV_PROJECT_ENVIRONMENT": str(root / ".venv")}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **own}, capture_output=True, text=True
        )
    except FileNotFoundError as error:
        return str(error)
    return (done.stderr.strip().splitlines() or ["it was killed"])[-1] if done.returncode else None
