"""`make check` in a worktree."""

import os
import signal
import subprocess
import time
from pathlib import Path
from threading import Event

from scaffold.errors import ScaffoldError

_LAST = 30  # lines that a pull request shows
# What the caller's make, environment or repository says is not for this one.
_OURS = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "VIRTUAL_ENV", "PYTHONPATH", "base")


def check(folder: Path, log: Path, minutes: float, stopped: Event) -> str:
    """Run `make check`, which writes to a log; return the end of it where that failed, else ""."""
    environment = {name: value for name, value in os.environ.items() if name not in _OURS}
    with log.open("wb") as written:
        try:
            process = subprocess.Popen(
                ["make", "check"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # So that all of it can be ended.
            )
        except FileNotFoundError:
            raise ScaffoldError("make is not on PATH; install it, or leave out --check") from None
        end = time.monotonic() + minutes * 60
        try:
            while process.poll() is None:
                if stopped.wait(0.05):
                    raise ScaffoldError("interrupted while `make check` ran")
                if time.monotonic() > end:
                    written.write(f"\nended after {minutes:g} minutes\n".encode())
                    break
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                _wait(process)
    if process.returncode == 0:
        return ""
    lines = log.read_text("utf-8", "replace").splitlines()
    return "\n".join(lines[-_LAST:]) or f"it printed nothing, and exited with {process.returncode}"


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
