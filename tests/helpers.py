"""What several tests use."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "src"
_STRIKE = """
import os, runpy, sys

def watch(event, arguments, number=int(sys.argv.pop(1)), at=sys.argv.pop(1), name=sys.argv.pop(1), sent=[]):
    if event == at and name in str(arguments[0]) and not sent:
        sent.append(number)
        os.killpg(0, number)

sys.addaudithook(watch)
runpy.run_module("scaffold", run_name="__main__")
"""


@dataclass(frozen=True)
class Result:
    """What a command did: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, return what it prints."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but git's own, with its content."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if ".git" not in path.relative_to(folder).parts
    }


def command(*arguments: str) -> list[str]:
    """The command line of a real `scaffold` process."""
    return ["env", f"PYTHONPATH={SOURCES}", sys.executable, "-m", "scaffold", *arguments]


def command_struck(number: signal.Signals, event: str, name: str, *arguments: str) -> list[str]:
    """The same, of one that sends its group a signal: at the first such audit event with this name in it.

    So it comes at one moment, however busy the machine is. It must lead a group of its own.
    """
    environment, sources, python, *_ = command()
    return [environment, sources, python, "-c", _STRIKE, str(int(number)), event, name, *arguments]


def process(*arguments: str, cwd: Path, **keywords: object) -> subprocess.CompletedProcess[str]:
    """Run a real `scaffold` process to its end."""
    return subprocess.run(
        command(*arguments), cwd=cwd, capture_output=True, text=True, check=False, **keywords
    )


def in_child(function: Callable[[], None]) -> int:
    """Run a function in a forked process; returns its exit code, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            function()
        except SystemExit as stopped:
            os._exit(int(stopped.code or 0))
        except BaseException:
            os._exit(99)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
