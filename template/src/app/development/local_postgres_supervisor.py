"""The process that runs the local Postgres server for as long as anybody uses it.

`local_postgres` starts it under the lock `start.lock`. It prepares the data, starts the server,
lets its starter go, and waits until the last user has left. Whatever it prints before the server
is ready becomes the starter's error message.
"""

import fcntl
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.development import local_postgres_account
from app.development.local_postgres_account import Account, choose_account, StartError

_SECONDS_TO_STOP = 30


@dataclass(frozen=True)
class Programs:
    """Postgres's programs, as whom they run, and the folder they work on."""

    folder: Path
    binaries: Path
    account: Account
    in_use: int

    def start(
        self, name: str, *arguments: str | Path, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Start a program that writes to the log and, as long as it lives, holds `server.lock`."""
        with (self.folder / "server.log").open("ab") as log:
            return subprocess.Popen(
                [self.binaries / name, *arguments],
                stdin=stdin,
                stdout=log,
                stderr=log,
                pass_fds=(self.in_use,),
                **self.account.popen_arguments(),
            )

    def run(self, name: str, *arguments: str | Path, text: str = "") -> None:
        """Run a program to its end with `text` as its input; raise StartError if it fails."""
        program = self.start(name, *arguments, stdin=subprocess.PIPE)
        program.communicate(text.encode())
        if program.returncode:
            raise self.failure(name)

    def failure(self, name: str) -> StartError:
        """Return the error that tells a program's failure, with the end of the log."""
        log = self.folder / "server.log"
        lines = log.read_text(errors="replace").splitlines()[-15:]
        return StartError(
            "\n    ".join([f"{self.binaries / name} failed. The end of {log}:", *lines])
            + "\nRemove the cause and try again, or set DATABASE_URL to another server."
        )

    def major_version(self) -> int:
        """Return the version, for example 18; raise StartError if the program tells none."""
        if number := re.search(r"\d+", self.account.version(self.binaries) or ""):
            return int(number[0])
        self.run("postgres", "--version")  # Once more, so that the log tells why.
        raise self.failure("postgres")


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
            _check_version(folder / "data", major, binaries)
        else:
            _create_data(programs, major)
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


def _check_version(data: Path, major: int, binaries: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    if found != str(major):
        raise StartError(
            f"The data in {data} was made by PostgreSQL {found}, but {binaries} holds version"
            f" {major}.\nDelete {data.parent} to start with an empty database, or make version"
            f" {found} available again."
        )


def _create_data(programs: Programs, major: int) -> None:
    """Create the database cluster under another name first, so that it is whole or not there."""
    new = programs.folder / "data.new"
    if new.exists():
        shutil.rmtree(new)
    password = secrets.token_hex(16)
    password_file = programs.folder / "password"
    _write_private(password_file, password, programs.account.uid)
    # The locale C exists everywhere. From version 17 on Postgres brings a better one of its own,
    # which knows the letters beyond ASCII.
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if major >= 17 else []
    programs.run(
        "initdb",
        *("--pgdata", new, "--username=postgres", "--pwfile", password_file),
        # Unlike `password`, it tells nothing to another program that took over the port.
        "--auth=scram-sha-256",
        *("--encoding=UTF8", "--locale=C", *builtin),
    )
    sql = [f"CREATE ROLE admin LOGIN CREATEROLE CREATEDB PASSWORD '{password}'"]
    if major >= 16:
        # Many rounds protect weak passwords; for a random one they only make each login slow.
        sql.insert(0, "SET scram_iterations = 1")
    # In the template, because `admin` may not: every database has them from the start.
    if _has(programs.binaries, "pg_stat_statements"):
        sql.append("CREATE EXTENSION pg_stat_statements")
    if _has(programs.binaries, "vector"):
        sql.append("CREATE SCHEMA extensions")
        sql.append("GRANT USAGE ON SCHEMA extensions TO PUBLIC")
        sql.append("CREATE EXTENSION vector SCHEMA extensions")
    programs.run(
        "postgres",
        *("--single", "-c", "exit_on_error=on", "-D", new, "template1"),
        text="".join(f"{line};\n" for line in sql),
    )
    new.rename(programs.folder / "data")


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
    if _has(programs.binaries, "pg_stat_statements"):
        settings["shared_preload_libraries"] = "pg_stat_statements"
        # Each test has a database of its own, and its statements count as others.
        settings["pg_stat_statements.max"] = "50000"
    options = [part for item in settings.items() for part in ("-c", "=".join(item))]
    return ["-D", programs.folder / "data", *options]


def _has(binaries: Path, extension: str) -> bool:
    libraries = binaries.parent / "lib"
    return any(
        path.is_file()
        for folder in (libraries, libraries / "postgresql")
        for path in folder.glob(f"{extension}.*")
    )


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


def _write_private(path: Path, text: str, owner: int | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        if owner is not None:
            os.fchown(descriptor, owner, -1)
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
