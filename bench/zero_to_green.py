"""From nothing to green tests, with warm package caches: seconds for each step.

    python bench/zero_to_green.py

Prints what `scaffold new` and `make test` take beside the installation of dependencies, and their
ratio to it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Path(folder, "shop")
        new = (sys.executable, "-m", "scaffold", "new", str(shop), "--defaults")
        seconds = {
            "scaffold new": timed(*new, cwd=Path(folder)),
            "installation (warm cache)": timed(UV, "sync", "--quiet", cwd=shop),
            "make test": timed("make", "test", cwd=shop),
        }
    for step, taken in seconds.items():
        print(f"{step:26} {taken:5.1f} s")
    ours = seconds["scaffold new"] + seconds["make test"]
    print(f"\nbeyond the installation    {ours:5.1f} s")
    print(f"ratio to the installation  {ours / seconds['installation (warm cache)']:5.1f}")


def timed(*command: str, cwd: Path) -> float:
    path = os.pathsep.join([str(Path(UV).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src")}
    for name in ("PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "DATABASE_URL"):
        environment.pop(name, None)
    start = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
