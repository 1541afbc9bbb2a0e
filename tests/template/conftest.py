"""The real template, and one Postgres for all repositories generated from it."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

import pytest
from generated import ROOT, UV, Generate, Repository, once


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run share; TEST_STORE names one for several runs, while no file
    of ours is edited."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    store = Path(os.environ.get("TEST_STORE", base / "store"))
    store.mkdir(exist_ok=True)
    return store


@pytest.fixture(scope="session")
def real_template(store: Path) -> Path:
    """The template as it stands in the working tree, as a git repository with one tag."""

    def make(path: Path) -> None:
        path.mkdir()
        shutil.copy(ROOT / "copier.yml", path)
        ignore = shutil.ignore_patterns("__pycache__", ".*_cache")
        for tree in ("template", "skeletons", "examples/shop"):
            shutil.copytree(ROOT / tree, path / tree, ignore=ignore)
        for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "1"]):
            subprocess.run(["git", *command], cwd=path, check=True)
        subprocess.run(["git", "tag", "v1.0.0"], cwd=path, check=True)

    return once(store / "template", make)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an admin on one local server that all generated repositories share."""
    sys.path.insert(0, str(ROOT / "template" / "src"))
    try:
        from app.development.local_postgres import local_postgres
    finally:
        sys.path.pop(0)
    folder = tmp_path_factory.mktemp("postgres") / "server"
    with local_postgres(folder) as url:
        do_not_wait_for_the_disk(folder / "data")
        yield url


def do_not_wait_for_the_disk(data: Path) -> None:
    """What is on this server need not survive a crash of the machine."""
    with (data / "postgresql.conf").open("a") as settings:
        settings.write("fsync = off\nfull_page_writes = off\n")
    os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGHUP)


@pytest.fixture(scope="session")
def mypy_cache() -> Iterator[Path]:
    """What mypy knows of the libraries, for the next repository, and for the next run: it goes by the
    content of files. Each process of pytest has one of its own, the first that is not taken."""
    folder = ROOT / ".tools" / "mypy"
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count():
        with (folder / f"{number}.taken").open("w") as taken:
            try:
                flock(taken, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                continue
            yield folder / str(number)
            return


@pytest.fixture(scope="session")
def environment(postgres: str, mypy_cache: Path) -> dict[str, str]:
    """What a developer's shell holds: uv, git, and the shared Postgres."""
    left_out = {
        "CI",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPATH",
        "VIRTUAL_ENV",
        "UV_PROJECT_ENVIRONMENT",
        "MAKEFLAGS",
        "MAKELEVEL",
        "MAKEOVERRIDES",
        "MFLAGS",
        "only",
    }
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    path = os.pathsep.join([str(Path(UV).parent), kept["PATH"]])
    return {**kept, "PATH": path, "DATABASE_URL": postgres, "MYPY_CACHE_DIR": str(mypy_cache)}


@pytest.fixture(scope="session")
def generate(
    real_template: Path,
    environment: dict[str, str],
    store: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generate:
    return Generate(real_template, environment, store, tmp_path_factory.mktemp("generated"))


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    """A repository with catalog and ordering, for the tests of one file."""
    return generate()


@pytest.fixture(scope="module")
def example(generate: Generate) -> Repository:
    """A repository with the modules of the example, for the tests of one file."""
    return generate(example=True)
