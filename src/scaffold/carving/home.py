"""Where the data of a module are, as its databases say if they are at hand."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from scaffold.carving.work import Work
from scaffold.errors import ScaffoldError

_PATIENCE = 60
_URLS = ("OWN_DATABASE_URL", "OWN_MIGRATION_DATABASE_URL")
HOME = "here"
"""What `app carve status` says of data that are in the main database, and nowhere else."""


class AwayError(ScaffoldError):
    """Data are not home, or nobody knows.

    Attributes:
        steps: what brings them home, each with commands.
    """

    def __init__(self, said: str, steps: list[tuple[str, list[str]]]) -> None:
        super().__init__(said)
        self.steps = steps
        self.lines = "".join(
            f"  {number}. {what}\n" + "".join(f"       {each}\n" for each in commands)
            for number, (what, commands) in enumerate(steps, 1)
        )


def check(work: Work, are_home: bool, command: str) -> None:
    """Refuse while the data are away, or may be: what brings them home is told.

    Raises:
        AwayError: with the steps.
        ScaffoldError: where the databases are at hand, and cannot be asked.
    """
    name, state = work.name, _state(work.root, work.name)
    if state == HOME or (state is None and are_home):
        return
    if state is None:
        why = f"the data of {name} may be in a database of its own, which nobody sees from here"
    else:
        why = f"the data of {name} are not home: `app carve status {name}` says {state}"
    raise AwayError(f"{why}; in each environment, bring them home first", _steps(name, command))


def _steps(name: str, command: str) -> list[tuple[str, list[str]]]:
    return [
        ("where are they?", [f"app carve status {name}"]),
        ("here: they have not moved, or are home", []),
        ("copying or streaming: undo the copy", [f"app carve stop {name}"]),
        ("moved: return, and undo the copy", [f"app carve back {name}", f"app carve stop {name}"]),
        (
            "confirmed or returning: copy them home",
            [
                f"app carve copy {name} --home",
                f"app carve cut {name} --home",
                f"app carve confirm {name} --home --archive DIR",
            ],
        ),
        ("when it says here, in each environment", [f"{command} --data-are-home"]),
    ]


def _state(root: Path, name: str) -> str | None:
    """What the databases say, if they are at hand."""
    if not any(os.environ.get(each) for each in _URLS):
        return None
    app = root / ".venv/bin/app"
    try:
        asked = subprocess.run(
            [str(app), "carve", "status", name, "--json"],
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            text=True,
            check=False,
        )
    except OSError as error:
        raise _unknown(name, f"{app} cannot be run ({error.strerror})") from None
    except subprocess.TimeoutExpired:
        raise _unknown(name, "the databases do not answer") from None
    if asked.returncode:
        said = asked.stderr.strip().splitlines() or ["no reason given"]
        raise _unknown(name, said[-1])
    try:
        told: Any = json.loads(asked.stdout)
        return str(told["state"])
    except (KeyError, TypeError, ValueError):
        raise _unknown(name, "`app carve status` printed no JSON with a state") from None


def _unknown(name: str, why: str) -> ScaffoldError:
    return ScaffoldError(
        f"{' and '.join(_URLS)} say where the data of {name} may be, and they cannot be asked: "
        f"{why}; mend that, or unset them, and say --data-are-home"
    )
