"""Repositories generated from the real template, and what developers do in them."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from fcntl import LOCK_EX, flock
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
            timeout=1200,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)} exited {done.returncode}:\n{done.stdout}")
        return done

    def make(self, *arguments: str, check: bool = True) -> str:
        return self.run("make", *arguments, check=check).stdout

    def check(self) -> None:
        """Do what `make check` does but for tests and contracts, with the walls in one process."""
        self.make("lint", "typecheck", "migrations")
        self.run(UV, "run", "--quiet", "python", "-m", "checks")

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

    `example=True` puts the example's modules in. Each set of answers is rendered, locked and installed
    once in a run; who asks gets a copy, the environment included, whose files nobody changes in place,
    and what Python and the checks have read once.
    """

    def __init__(
        self, template: Path, environment: dict[str, str], store: Path, copies: Path
    ) -> None:
        self._template, self._environment = template, environment
        self._store, self._copies = store, copies

    def __call__(self, name: str = "shop", *, example: bool = False, **answers: str) -> Repository:
        data = [part for key, value in answers.items() for part in ("--data", f"{key}={value}")]
        data += ["--example"] * example
        made = self._once(name, data)
        copy = Path(tempfile.mkdtemp(dir=self._copies)) / name
        shutil.copytree(made, copy, ignore=lambda folder, _: [".venv"] * (folder == str(made)))
        _link_environment(made, copy)
        self._know_libraries(copy)
        return Repository(copy, self._environment)

    def install(self, repository: Repository) -> None:
        """Give a repository that was made in another way the environment of ours."""
        _link_environment(self._once("shop", []), repository.path)
        self._know_libraries(repository)

    def _once(self, name: str, data: list[str]) -> Path:
        key = hashlib.sha256(json.dumps([name, *data]).encode()).hexdigest()[:16]
        return once(self._store / key, lambda folder: self._make(folder, name, data)) / name

    def _make(self, folder: Path, name: str, data: list[str]) -> None:
        folder.mkdir()
        scaffold("new", name, "--defaults", "--from", str(self._template), *data, cwd=folder)
        made = Repository(folder / name, self._environment)
        if data or name != "shop":
            first = self._once("shop", [])
            _link_environment(first, made.path)
            if made.read("pyproject.toml") == (first / "pyproject.toml").read_text("utf-8"):
                shutil.copy(first / "uv.lock", made.path)
            made.run(UV, "sync", "--quiet")
        else:
            made.run(UV, "venv", "--quiet", "--relocatable", ".venv")
            made.run(UV, "sync", "--quiet", "--compile-bytecode")
        python = str(made.path / ".venv/bin/python")
        made.run(python, "-m", "compileall", "-q", "src", "checks", "tests", "conftest.py")
        if "--data" not in data:  # Of others there are few copies.
            made.run(python, "-m", "checks")

    def _know_libraries(self, repository: Path) -> None:
        """Let mypy read the libraries once, and not in each process of a run that is the first."""
        own = Path(self._environment["MYPY_CACHE_DIR"])

        def read(folder: Path) -> None:
            environment = {**self._environment, "MYPY_CACHE_DIR": str(folder)}
            Repository(repository, environment).run(UV, "run", "--quiet", "mypy")

        if not own.exists():
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(once(own.parent / "shared", read), own)


def _link_environment(made: Path, copy: Path) -> None:
    """Give a repository the environment of another one, by links to its files."""
    subprocess.run(["cp", "-al", made / ".venv", copy / ".venv"], check=True)
    installed = next((copy / ".venv/lib").glob("python*/site-packages"))
    for file in (*installed.glob("_editable_impl_*.pth"), *installed.glob("*/direct_url.json")):
        text = file.read_text().replace(str(made), str(copy))
        file.unlink()  # The original is another name of the same file.
        file.write_text(text)
    if (made / "pyproject.toml").read_bytes() == (copy / "pyproject.toml").read_bytes():
        _know_project(copy, next(installed.glob("*/uv_cache.json")))


def _know_project(copy: Path, cache: Path) -> None:
    """Say that the project is installed as it stands: uv builds it again where `src` was made later."""
    ages = ("stat", "--format=%.9Z %.9W", "pyproject.toml", "src")
    times = subprocess.run(
        ages, cwd=copy, check=True, text=True, capture_output=True
    ).stdout.split()
    changed, _, _, born = (
        dict(zip(("secs_since_epoch", "nanos_since_epoch"), map(int, each.split(".")), strict=True))
        for each in times
    )
    known = json.loads(cache.read_text())
    cache.unlink()
    cache.write_text(json.dumps({**known, "timestamp": changed, "directories": {"src": born}}))


def once(path: Path, make: Callable[[Path], None]) -> Path:
    """Make what all processes of a run share, in the first one that asks."""
    done = path.with_suffix(".done")
    with path.with_suffix(".lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not done.exists():
            make(path)
            done.touch()
    return path
