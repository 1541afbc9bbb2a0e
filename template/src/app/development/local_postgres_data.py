"""The data of the local Postgres server, and the programs that work on it."""

import os
import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from app.development.local_postgres_account import Account, StartError


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


def check_version(data: Path, major: int, binaries: Path) -> None:
    """Raise StartError unless the data was made by this major version."""
    found = (data / "PG_VERSION").read_text().strip()
    if found != str(major):
        raise StartError(
            f"The data in {data} was made by PostgreSQL {found}, but {binaries} holds version"
            f" {major}.\nDelete {data.parent} to start with an empty database, or make version"
            f" {found} available again."
        )


def create_data(programs: Programs, major: int) -> None:
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
    if has(programs.binaries, "pg_stat_statements"):
        sql.append("CREATE EXTENSION pg_stat_statements")
    if has(programs.binaries, "vector"):
        sql.append("CREATE SCHEMA extensions")
        sql.append("GRANT USAGE ON SCHEMA extensions TO PUBLIC")
        sql.append("CREATE EXTENSION vector SCHEMA extensions")
    programs.run(
        "postgres",
        *("--single", "-c", "exit_on_error=on", "-D", new, "template1"),
        text="".join(f"{line};\n" for line in sql),
    )
    new.rename(programs.folder / "data")


def has(binaries: Path, extension: str) -> bool:
    """Say whether an extension came with the programs."""
    libraries = binaries.parent / "lib"
    return any(
        path.is_file()
        for folder in (libraries, libraries / "postgresql")
        for path in folder.glob(f"{extension}.*")
    )


def _write_private(path: Path, text: str, owner: int | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        if owner is not None:
            os.fchown(descriptor, owner, -1)
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
