"""The process that runs the local Postgres server for as long as anybody uses it.

`local_postgres` starts it under the lock `start.lock`. It prepares the data, starts the server,
lets its starter go, and waits until the last user has left. Whatever it prints before the server
is ready becomes the starter's error message.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from app.development import local_postgres_account
from app.development.local_postgres_account import Account, choose_account, StartError
from app.development.local_postgres_data import check_version, create_data, has, Programs

_SECONDS_TO_STOP = 30


def main() -> None:
    """Run the server of the folder given as first argument until nobody uses it."""
    folder, binaries = Path(sys.argv[1]), Path(sys.argv[2])
    start_lock, state = int(sys.argv[3]), int(sys.argv[4])
    # A grandchild belongs to init: the starter has no child to wait for when the server ends.
    if os.fork():
        os._exit(0)
    users = os.open(folder / "users.lock", os.O_RDWR)
    try:
        server, port = _start_server(folder, binaries)
    except (StartError, OSError) as error:
        sys.exit(f"The local Postgres server in {folder} did not start.\n{error}")

    def stop(*_: object) -> None:
        os.ftruncate(state, 0)  # From now on nobody may join.
        server.send_signal(signal.SIGINT)

    def stop_when_unused() -> None:
        # Never released: newcomers wait for it until this process has ended.
        fcntl.flock(users, fcntl.LOCK_EX)
        stop()

    os.pwrite(state, str(port).encode(), 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    threading.Thread(target=stop_when_unused, daemon=True).start()
    _release_starter(start_lock)
    server.wait()
    os.ftruncate(state, 0)


def _release_starter(start_lock: int) -> None:
    """Close what the starter waits for: the end of our output, and the lock."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.close(start_lock)


def _start_server(folder: Path, binaries: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server, with new data if there is none; return it and its port once it is ready.

    Raises StartError, with the end of the log where that helps.
    """
    log = folder / "server.log"
    if log.exists():
        log.replace(folder / "server.previous.log")
    log.touch(0o600)
    with (folder / "server.lock").open("wb") as in_use:
        _wait_until_unused(in_use.fileno(), folder)
        major = Programs(folder, binaries, Account(), in_use.fileno()).major_version()
        account, binaries = choose_account(folder, binaries)
        programs = Programs(folder, binaries, account, in_use.fileno())
        if (folder / "data").exists():
            check_version(folder / "data", major, binaries)
        else:
            create_data(programs, major)
        for _ in range(5):
            port = _free_port()
            server = programs.start("postgres", *_settings(programs, port))
            if _becomes_ready(server, folder / "data" / "postmaster.pid"):
                return server, port
            if "could not bind" not in log.read_text(errors="replace"):
                break
        raise programs.failure("postgres")


def _wait_until_unused(in_use: int, folder: Path) -> None:
    """Return once no process works on the data any more: an earlier server may still be stopping.

    Raises StartError if it does not stop.
    """
    pid_file = folder / "data" / "postmaster.pid"
    deadline = time.monotonic() + _SECONDS_TO_STOP
    while time.monotonic() < deadline:
        try:
            fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not local_postgres_account.dies_with_parent:
                with suppress(OSError):
                    os.kill(int(pid_file.read_text().split()[0]), signal.SIGINT)
            time.sleep(0.1)
        else:
            # Postgres would take any process that now has the dead server's pid for that server,
            # which happens when a container starts again. The lock knows better.
            pid_file.unlink(missing_ok=True)
            return
    raise StartError(
        f"Processes of an earlier server still work on {folder / 'data'} and have not stopped"
        f" within {_SECONDS_TO_STOP} s. End them and try again."
    )


def _settings(programs: Programs, port: int) -> list[str | Path]:
    """Return the server's command line: here, so that a change reaches existing data as well."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",  # Paths of sockets may have only some 100 characters.
        "max_connections": "200",
        # A crash may lose the last commits of a second, but never damages the data.
        "synchronous_commit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "off",
        "log_checkpoints": "off",
    }
    if has(programs.binaries, "pg_stat_statements"):
        settings["shared_preload_libraries"] = "pg_stat_statements"
        # Each test has a database of its own, and its statements count as others.
        settings["pg_stat_statements.max"] = "50000"
    options = [part for item in settings.items() for part in ("-c", "=".join(item))]
    return ["-D", programs.folder / "data", *options]


def _becomes_ready(server: subprocess.Popen[bytes], pid_file: Path) -> bool:
    """Return True once the server takes connections, False if it ends before that."""
    while server.poll() is None:
        with suppress(FileNotFoundError):
            lines = pid_file.read_text().splitlines()
            if len(lines) >= 8 and lines[7].strip() == "ready":
                return True
        time.sleep(0.01)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
