"""On machines as they come: no Postgres installed, somebody else's Postgres, root, an ordinary user.

These tests need root, `unshare` and `setpriv` (util-linux), Debian's PostgreSQL 15, and `copier` as a
team would have it. Where one is missing they fail and say which.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from generated import UV
from replica import free_port

pytestmark = pytest.mark.system

DEBIAN = Path("/usr/lib/postgresql/15/bin")
NOBODY = 65534


def need(condition: object, what: str) -> None:
    if not condition:
        pytest.fail(f"this test needs {what}")


def environment(home: Path, **more: str) -> dict[str, str]:
    """A shell with nothing in it but the system's programs, on a PATH without uv and postgres."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "SSL_", "GIT_", "UV_INDEX", "UV_DEFAULT_INDEX", "LANG"))
        or name.endswith(("_CERT", "_CA_BUNDLE", "_proxy", "_PROXY"))
    }
    path = os.pathsep.join([str(home / "bin"), "/usr/bin", "/bin"])
    return {**kept, "PATH": path, "HOME": str(home), "UV_CACHE_DIR": str(home / "cache"), **more}


def uv_cache() -> str:
    """What was fetched before, for tests that are not about fetching."""
    return subprocess.check_output([UV, "cache", "dir"], text=True).strip()


def python_on_path(home: Path, python: str) -> None:
    """Make `python3` that interpreter."""
    (home / "bin").mkdir(parents=True, exist_ok=True)
    (home / "bin/python3").symlink_to(python)


def generate(template: Path, target: Path) -> None:
    """`copier copy` alone, and the first commit a team makes."""
    copy = [sys.executable, "-m", "copier", "copy", "--defaults", "--quiet"]
    subprocess.run([*copy, str(template), str(target)], check=True, capture_output=True)
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "Start"]):
        subprocess.run(["git", *command], cwd=target, check=True)


def is_green(target: Path, shell: dict[str, str], *command: str) -> str:
    """Run what ends in `make test` or `make check`; return what it printed."""
    done = subprocess.run(
        command,
        cwd=target,
        env=shell,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout, done.stdout
    return done.stdout


WITHOUT_POSTGRES = (
    "unshare",
    "--mount",
    "sh",
    "-c",
    "[ ! -d /usr/lib/postgresql ] || mount -t tmpfs none /usr/lib/postgresql;"
    '! command -v postgres && ! ls /usr/lib/postgresql/*/bin 2>/dev/null && exec "$@"',
    "sh",
)


def other_pythons() -> list[str]:
    """Newer interpreters that this machine has, besides the one that runs the tests."""
    roots = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"]
    found = [path for root in roots for path in sorted(root.glob("3.13*/bin/python3.13"))]
    found += [Path(path) for path in [shutil.which("python3.13")] if path and "shims" not in path]
    return [str(path) for path in found[:1]]


@pytest.mark.parametrize("python", [sys.executable, *other_pythons()])
def test_as_root_with_no_postgres_installed(
    real_template: Path, tmp_path: Path, python: str
) -> None:
    """With the newest Python whatever a pipeline checks; mypy has read no library yet."""
    target = "check" if python == [sys.executable, *other_pythons()][-1] else "test"
    need(os.geteuid() == 0, "root")
    python_on_path(tmp_path / "home", str(Path(python).resolve()))
    generate(real_template, tmp_path / "shop")
    shell = environment(tmp_path / "home", UV_PYTHON_DOWNLOADS="never")
    printed = is_green(tmp_path / "shop", shell, *WITHOUT_POSTGRES, "make", target)
    version = subprocess.check_output([python, "--version"], text=True).split()[1]
    assert f"Python {version}" in printed


def test_as_an_ordinary_user_with_no_postgres_installed(
    real_template: Path, ordinary_home: Path
) -> None:
    need(os.geteuid() == 0, "root")
    generate(real_template, ordinary_home / "shop")
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", ordinary_home], check=True)
    shell = environment(ordinary_home)
    git = {"GIT_CONFIG_GLOBAL": str(ordinary_home / ".gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}
    drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    is_green(ordinary_home / "shop", shell | git, *WITHOUT_POSTGRES, *drop, "make", "test")
    data = ordinary_home / "shop" / ".local" / "postgres" / "data"
    assert data.stat().st_uid == NOBODY


@pytest.fixture
def ordinary_home() -> Iterator[Path]:
    """A home that an ordinary user can reach; pytest's own folders are closed to others."""
    home = Path("/var/tmp") / f"ordinary-{os.getpid()}"
    home.mkdir()
    yield home
    shutil.rmtree(home)


@pytest.fixture
def managed(tmp_path: Path) -> Iterator[str]:
    """Debian's PostgreSQL 15, with an admin who may create roles and databases, no more."""
    need(DEBIAN.is_dir(), f"Debian's PostgreSQL in {DEBIAN}: apt-get install postgresql")
    need(os.geteuid() == 0, "root")
    folder = Path("/var/tmp") / f"managed-{os.getpid()}"
    folder.mkdir()
    shutil.chown(folder, "postgres", "postgres")
    port = free_port()
    password = folder / "password"
    password.write_text("long-enough-secret")
    password.chmod(0o644)
    run = {"user": "postgres", "cwd": folder, "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}}
    initdb = ["--auth=scram-sha-256", "--username=postgres", f"--pwfile={password}"]
    subprocess.run([DEBIAN / "initdb", "-D", folder / "data", *initdb], check=True, **run)
    server = subprocess.Popen(
        [DEBIAN / "postgres", "-D", folder / "data", "-k", "", "-h", "127.0.0.1", "-p", str(port)],
        **run,
    )
    try:
        root = f"postgresql://postgres:long-enough-secret@127.0.0.1:{port}/postgres"
        role = "CREATE ROLE landlord LOGIN CREATEROLE CREATEDB PASSWORD 'long-enough-secret'"
        deadline = time.monotonic() + 60
        while subprocess.run([DEBIAN / "psql", root, "-qc", role], capture_output=True).returncode:
            assert time.monotonic() < deadline, "PostgreSQL 15 did not start"
            time.sleep(0.2)
        yield f"postgresql://landlord:long-enough-secret@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(timeout=60)
        shutil.rmtree(folder)


def test_on_debians_postgresql_through_database_url(
    real_template: Path, tmp_path: Path, managed: str
) -> None:
    python_on_path(tmp_path / "home", str(Path(sys.executable).resolve()))
    generate(real_template, tmp_path / "shop")
    shell = environment(tmp_path / "home", DATABASE_URL=managed, UV_CACHE_DIR=uv_cache())
    is_green(tmp_path / "shop", shell, "make", "test")
    assert not (tmp_path / "shop" / ".local/postgres").exists()


def test_production_on_debians_postgresql_from_an_empty_database(
    real_template: Path, tmp_path: Path, managed: str
) -> None:
    """What the README of a generated repository says about production, word for word."""
    python_on_path(tmp_path / "home", str(Path(sys.executable).resolve()))
    generate(real_template, tmp_path / "shop")
    admin = managed.rsplit("/", 1)[0] + "/shop"
    login = admin.replace("landlord", "shop")
    urls = {"DATABASE_URL": login, "MIGRATION_DATABASE_URL": admin}
    shell = environment(tmp_path / "home", **urls, UV_CACHE_DIR=uv_cache())
    subprocess.run(["make", ".tools/bin/uv"], cwd=tmp_path / "shop", env=shell, check=True)

    def app(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [".tools/bin/uv", "run", "--quiet", "--no-dev", "app", *arguments]
        return subprocess.run(
            command, cwd=tmp_path / "shop", env=shell, text=True, capture_output=True
        )

    def sql(statement: str) -> None:
        subprocess.run([DEBIAN / "psql", managed, "-qc", statement], check=True)

    sql("CREATE DATABASE shop")
    assert 'CREATE ROLE "shop" LOGIN NOINHERIT' in app("migrate").stderr
    sql("CREATE ROLE shop LOGIN PASSWORD 'long-enough-secret'")
    assert 'ALTER ROLE "shop" NOINHERIT' in app("migrate").stderr
    sql("ALTER ROLE shop NOINHERIT")
    applied = app("migrate").stdout.splitlines()
    assert applied[:2] == ["applied catalog 0001", "applied ordering 0001"]
    assert applied[2:4] == ["applied requests 0001", "applied requests 0002"]
    assert [line.rsplit(".", 2)[0] for line in applied[4:]] == ["applied queue pgqueuer-1.6"]
    assert app("migrate").stdout == "Nothing to do.\n"
