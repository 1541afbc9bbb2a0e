"""What the boundaries between modules cost: a call through one, and a role in a transaction.

    python bench/boundary.py

Generates a shop, and measures inside it (see `bench/inside/boundary.py`). Ratios of one run count;
the absolute numbers are those of the machine.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")


def measure(script: str, *answers: str) -> None:
    """Print what a script of `bench/inside` says in a new repository."""
    with tempfile.TemporaryDirectory() as folder:
        shop = Path(folder, "shop")
        new = (sys.executable, "-m", "scaffold", "new", str(shop), "--defaults", *answers)
        run(*new, cwd=Path(folder))
        run(UV, "sync", "--quiet", cwd=shop)
        print(run(UV, "run", "python", str(ROOT / "bench/inside" / script), cwd=shop), end="")


def run(*command: str, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    for name in ("PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "DATABASE_URL"):
        environment.pop(name, None)
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    measure("boundary.py")
