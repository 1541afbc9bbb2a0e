"""Applications that run, and callers of theirs."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from generated import Repository


@contextmanager
def running(
    shop: Repository, log: Path = Path(os.devnull)
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`app dev` on a free port: its process and its address. What it prints goes to `log`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [shop.path / ".venv/bin/app", "dev", "--port", str(port)],
            cwd=shop.path,
            env=shop.environment,
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
    try:
        eventually(lambda: call(f"http://127.0.0.1:{port}/readyz")[0] == 200)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=30)


def bearer(shop: Repository, *scopes: str) -> dict[str, str]:
    """Headers with a token of the development issuer."""
    options = [part for scope in scopes for part in ("--scope", scope)]
    token = shop.run(str(shop.path / ".venv/bin/app"), "token", *options).stdout.strip()
    return {"Authorization": f"Bearer {token}"}


def call(url: str, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
    data = json.dumps(body).encode() if body else None
    try:
        request = Request(url, data, {"Content-Type": "application/json", **(headers or {})})
        with urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def eventually(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
