"""Repositories generated from the real template, and what developers do in them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")


class Repository:
    """A generated repository, and the commands people run in it."""

    def __init__(self, path: Path, environment: dict[str, str]) -> None:
        self.path = path
        self.environment = environment

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; a failure shows what it printed."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=600,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)} exited {done.returncode}:\n{done.stdout}")
        return done

    def make(self, *arguments: str, check: bool = True) -> str:
        return self.run("make", *arguments, check=check).stdout

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments).stdout

    def changes(self) -> list[str]:
        """What git sees, but for the lock, which a first run writes."""
        seen = self.git("status", "--short", "--untracked-files=all").splitlines()
        return [line for line in seen if line != "?? uv.lock"]

    def commit(self, message: str = "Change") -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def pytest(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(UV, "run", "--quiet", "pytest", "-q", *arguments, check=check)

    def add_module(self, *arguments: str) -> str:
        return scaffold("add-module", *arguments, cwd=self.path)

    def read(self, file: str) -> str:
        return (self.path / file).read_text("utf-8")

    def replace(self, file: str, old: str, new: str) -> None:
        """Edit a file as a developer would; the old text must be there."""
        text = self.read(file)
        assert old in text, f"{old!r} is not in {file}"
        (self.path / file).write_text(text.replace(old, new), "utf-8")


def scaffold(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "scaffold", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Generate:
    """Generate a repository with `scaffold new`; keyword arguments are answers.

    `example=True` puts the example's modules in.
    """

    def __init__(
        self,
        template: Path,
        environment: dict[str, str],
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        self._template, self._environment, self._factory = template, environment, tmp_path_factory

    def __call__(self, name: str = "shop", *, example: bool = False, **answers: str) -> Repository:
        folder = self._factory.mktemp("generated")
        data = [part for key, value in answers.items() for part in ("--data", f"{key}={value}")]
        data += ["--example"] * example
        scaffold("new", name, "--defaults", "--from", str(self._template), *data, cwd=folder)
        return Repository(folder / name, self._environment)
