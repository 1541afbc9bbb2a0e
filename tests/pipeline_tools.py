"""The tools that read and run pipelines, and what they need around them."""

import json
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from generated import ROOT, UV

HERE = ROOT / "tests" / "template" / "pipeline"
NPM = ROOT / ".tools" / "pipeline"
"""Where npm's packages are installed, once for each list of them."""


def tool(name: str) -> str:
    """A program of a dependency group."""
    program = Path(sysconfig.get_path("scripts")) / name
    if not program.exists():
        pytest.fail(f"{name} is missing: `make test-…` of the suite installs it")
    return str(program)


def program_in(folder: Path, name: str, script: str) -> Path:
    """Write a program into a new folder, for the PATH."""
    folder.mkdir()
    program = folder / name
    program.write_text(script)
    program.chmod(0o755)
    return folder


def npm_packages(name: str = "package", *options: str) -> Path:
    """Install a list of npm's packages where they are missing; return the folder to run node in."""
    wanted = (HERE / f"{name}.json").read_text("utf-8")
    folder = NPM if name == "package" else NPM.with_name(name)
    done = folder / "installed.json"
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        flock(lock, LOCK_EX)  # Several processes of pytest ask at once.
        if not done.exists() or done.read_text("utf-8") != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / "package.json").write_text(wanted, "utf-8")
            command = [tool("npm"), "install", "--silent", "--no-audit", "--no-fund", *options]
            path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
            subprocess.run(command, cwd=folder, check=True, env={**os.environ, "PATH": path})
            done.write_text(wanted, "utf-8")
    return folder


@contextmanager
def known_vulnerabilities(found: Mapping[str, str]) -> Iterator[str]:
    """Stand in for OSV: `{"fastapi": "GHSA-1"}`; yields its URL."""

    class Osv(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            names = [each["package"]["name"] for each in asked]
            ids = [[{"id": found[name]}] if name in found else [] for name in names]
            self._answer({"results": [{"vulns": each} for each in ids]})

        def do_GET(self) -> None:
            number = self.path.rpartition("/")[2]
            package = next(name for name, known in found.items() if known == number)
            affected = {"package": {"ecosystem": "PyPI", "name": package}}
            modified = "2026-01-01T00:00:00Z"
            self._answer({"id": number, "modified": modified, "affected": [affected]})

        def _answer(self, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Osv)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def uv_that_asks(folder: Path, osv: str) -> Path:
    """Make a folder for the PATH with a uv whose `audit` asks somebody else; return it."""
    script = (
        "#!/bin/sh\n"
        f'if [ "$1" = audit ]; then exec "{UV}" "$@" --service-url "{osv}"; fi\n'
        f'exec "{UV}" "$@"\n'
    )
    return program_in(folder, "uv", script)


def does_nothing(folder: Path, *names: str) -> None:
    """Put programs into a folder that do nothing, well."""
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
