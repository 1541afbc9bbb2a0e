"""Modules that run in processes of their own beside `app dev`, as if each were a service already."""

import base64
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TextIO

from app import modules
from app.development.ports import is_taken
from app.platform.settings import SettingsError
from app.platform.wiring import read_modules

_SECONDS_TO_END = 10


def check_names(names: Sequence[str]) -> None:
    """Raise SettingsError for a module that there is not."""
    known = [each.name for each in read_modules(modules)]
    if unknown := next((each for each in names if each not in known), None):
        raise SettingsError(
            f"--remote: there is no module {unknown}. There are {', '.join(known)}."
        )


@contextmanager
def beside(names: Sequence[str], port: int) -> Iterator[None]:
    """Run modules each in an `app dev` of its own while the block lasts; the environment of this
    process says where they are. Their lines begin with the name. Raises SettingsError."""
    if not names:
        yield
        return
    needs = {each.name: each.depends_on for each in read_modules(modules)}
    if unknown := next((each for each in names if each not in needs), None):
        raise SettingsError(f"--remote: there is no module {unknown}. There are {', '.join(needs)}")
    at = dict(zip(names, _free_ports(port + 1), strict=False))
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    os.environ["REMOTE_KEYS"] = f"development:{key}"
    os.environ["REMOTE_MODULES"] = _addresses(at)
    running = []
    try:
        for name in at:
            called = {each: at.get(each, port) for each in needs[name]}
            running.append(_start(name, at[name], called))
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()


def _addresses(at: Mapping[str, int]) -> str:
    return " ".join(f"{name}=http://127.0.0.1:{port}" for name, port in at.items())


def _free_ports(first: int) -> Iterator[int]:
    return (port for port in range(first, 65_536) if not is_taken(port))


def _start(name: str, port: int, called: Mapping[str, int]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(port)],
        env={**os.environ, "MODULES": name, "REMOTE_MODULES": _addresses(called)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    threading.Thread(target=_print, args=(name, process.stdout), daemon=True).start()
    return process


def _print(name: str, lines: TextIO) -> None:
    for line in lines:
        print(f"{name} | {line}", end="", file=sys.stderr, flush=True)


def _end_with(parent: int) -> None:
    """Stop this process when the one that started it dies, however it dies."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run `app dev` on a port, for as long as the process that started this one lives."""
    from app.cli import cli

    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    cli(["dev", "--port", sys.argv[1]])


if __name__ == "__main__":
    main()
