"""What the repository's own check knows of a rename while the release before still runs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from scaffold.errors import ScaffoldError


class DoubtsError(ScaffoldError):
    """A database could not serve the release before meanwhile."""

    def __init__(self, module: str, doubts: list[str]) -> None:
        super().__init__(
            f"while {module} is renamed, the release before would fail at what a view cannot do; "
            "mend these lines first, or pass --force and stop that release before `app migrate`"
        )
        self.lines = "".join(f"  {doubt}\n" for doubt in doubts)


def is_there(root: Path) -> bool:
    """Whether the repository has its check, and an environment to run it in."""
    return _python(root).is_file() and (root / "checks" / "renaming.py").is_file()


def ask(root: Path, module: str) -> list[str]:
    """What the repository's check lists; nothing where it is not there."""
    if not is_there(root):
        return []
    done = subprocess.run(
        [_python(root), "-m", "checks.renaming", module, "--json"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return []
    try:
        said: Any = json.loads(done.stdout)
    except ValueError:
        why = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise ScaffoldError(
            f"`python -m checks.renaming {module}` failed ({why}); mend that, or try `uv sync`"
        ) from None
    return [_line(each) for each in said]


def _line(found: Any) -> str:
    if not isinstance(found, dict):
        return str(found)
    return f"{found.get('file')}:{found.get('line')}: {found.get('text')}"


def _python(root: Path) -> Path:
    return root / ".venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
