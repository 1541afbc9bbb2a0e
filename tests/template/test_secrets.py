"""`make secrets` finds gitleaks, or fetches exactly the one whose checksum is written down."""

import hashlib
import io
import os
import sys
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType

import pytest
from generated import ROOT

ECHO = b'#!/bin/sh\necho "$@"\n'


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The generated `checks.secrets` in a repository of its own, on a machine without gitleaks."""
    monkeypatch.syspath_prepend(ROOT / "template")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("GITLEAKS", raising=False)
    import checks.secrets

    monkeypatch.setattr(checks.secrets, "ROOT", tmp_path)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    yield checks.secrets
    for name in [name for name in sys.modules if name.partition(".")[0] == "checks"]:
        del sys.modules[name]


@pytest.fixture
def release(
    secrets: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[bytes], None]]:
    """A mirror on this machine, and how to put a release there."""
    folder = tmp_path / "mirror" / f"v{secrets.VERSION}"
    folder.mkdir(parents=True)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "mirror"))
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("GITLEAKS_RELEASES", f"http://127.0.0.1:{server.server_port}")

    def put(program: bytes) -> None:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            member = tarfile.TarInfo("gitleaks")
            member.size = len(program)
            tar.addfile(member, io.BytesIO(program))
        name = f"gitleaks_{secrets.VERSION}_linux_x64.tar.gz"
        (folder / name).write_bytes(archive.getvalue())
        known = {"linux_x64": hashlib.sha256(archive.getvalue()).hexdigest()}
        monkeypatch.setattr(secrets, "_CHECKSUMS", known)

    yield put
    server.shutdown()
    server.server_close()


def test_one_that_is_named_or_installed_is_taken(
    secrets: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "gitleaks"
    installed.write_bytes(ECHO)
    installed.chmod(0o755)
    assert secrets.find_gitleaks() == str(installed)
    monkeypatch.setenv("GITLEAKS", "/opt/gitleaks")
    assert secrets.find_gitleaks() == "/opt/gitleaks"


def test_one_that_is_missing_is_fetched_once(
    secrets: ModuleType, release: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    release(ECHO)
    fetched = Path(secrets.find_gitleaks())
    assert fetched.read_bytes() == ECHO
    assert os.access(fetched, os.X_OK)
    monkeypatch.setenv("GITLEAKS_RELEASES", "http://127.0.0.1:1")
    assert secrets.find_gitleaks() == str(fetched)
    assert list(fetched.parent.iterdir()) == [fetched]


def test_one_with_another_checksum_is_not_installed(
    secrets: ModuleType, release: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    release(ECHO)
    monkeypatch.setattr(secrets, "_CHECKSUMS", {"linux_x64": "0" * 64})
    with pytest.raises(SystemExit, match="is not what it was"):
        secrets.find_gitleaks()
    assert not (secrets.ROOT / ".tools").exists()


def test_one_that_cannot_be_fetched_is_one_sentence(
    secrets: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITLEAKS_RELEASES", "http://127.0.0.1:1")
    with pytest.raises(SystemExit, match=r"cannot be fetched.*GITLEAKS=/path/to/gitleaks"):
        secrets.main([])
    secrets.main(["--staged"])  # A commit passes; the pipeline looks.
    warning = capfd.readouterr().err
    assert warning.startswith("Warning: nobody has looked for secrets, CI will. gitleaks is not ")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(SystemExit, match="none to fetch for linux_"):
        secrets.find_gitleaks()


@pytest.mark.parametrize(("code", "exit_code", "explained"), [(0, 0, 0), (3, 1, 1), (1, 1, 0)])
def test_only_a_secret_is_called_one(
    secrets: ModuleType,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    code: int,
    exit_code: int,
    explained: bool,
) -> None:
    program = tmp_path / "gitleaks"
    program.write_text(f'#!/bin/sh\necho "$@"\nexit {code}\n')
    program.chmod(0o755)
    with pytest.raises(SystemExit) as stopped:
        secrets.main(["--staged"])
    assert stopped.value.code == exit_code
    printed = capfd.readouterr()
    assert printed.out.startswith("git ")
    assert "--pre-commit --staged" in printed.out
    assert "--log-opts" not in printed.out
    assert ("revoke it first" in printed.err) == bool(explained)


def test_of_a_bigger_repository_only_this_folder_is_read(
    secrets: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "gitleaks"
    program.write_bytes(ECHO)
    program.chmod(0o755)
    with pytest.raises(SystemExit):
        secrets.main([])
    assert capfd.readouterr().out.endswith("--log-opts=--full-history --all -- .\n")
