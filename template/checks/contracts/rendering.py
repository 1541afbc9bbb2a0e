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
        done = subprocess.run(
            [sys.executable, "-m", "checks.contracts.document", root, written],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(root / "src")},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise UnreadableCodeError((done.stderr.strip().splitlines() or ["it was killed"])[-1])
        documents: Documents = json.loads(written.read_text("utf-8"))
        return documents
