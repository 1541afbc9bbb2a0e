"""`python -m checks.secrets` looks for passwords, keys and tokens with gitleaks.

All commits are read; with `--staged`, what is about to be committed. A false alarm is allowed where it
stands, by the comment `gitleaks:allow`, or in `.gitleaks.toml`.

gitleaks is taken from GITLEAKS, from the PATH, or fetched once into `.tools/` and compared with its
checksum; GITLEAKS_RELEASES names a mirror of its releases.
"""

import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

from checks.source import ROOT

VERSION = "8.30.1"
_RELEASES = "https://github.com/gitleaks/gitleaks/releases/download"
_CHECKSUMS = {
    "darwin_arm64": "b40ab0ae55c505963e365f271a8d3846efbc170aa17f2607f13df610a9aeb6a5",
    "darwin_x64": "dfe101a4db2255fc85120ac7f3d25e4342c3c20cf749f2c20a18081af1952709",
    "linux_arm64": "e4a487ee7ccd7d3a7f7ec08657610aa3606637dab924210b3aee62570fb4b080",
    "linux_x64": "551f6fc83ea457d62a0d98237cbad105af8d557003051f41f3e7ca7b3f2470eb",
}
_MACHINES = {"aarch64": "arm64", "amd64": "x64", "arm64": "arm64", "x86_64": "x64"}
_FOUND = 3
"""The exit code for secrets; gitleaks says 1 where it fails."""


class UnreachableError(Exception):
    """gitleaks is not here, and cannot be fetched."""


def find_gitleaks() -> str:
    """Return the program. Raises UnreachableError; exits with one sentence where there is none to
    fetch, or another."""
    fetched = ROOT / ".tools" / "bin" / f"gitleaks-{VERSION}"
    found = os.environ.get("GITLEAKS") or shutil.which("gitleaks")
    if found or fetched.is_file():
        return found or str(fetched)
    build = f"{platform.system().lower()}_{_MACHINES.get(platform.machine().lower(), '')}"
    if build not in _CHECKSUMS:
        raise SystemExit(f"gitleaks is not installed, and there is none to fetch for {build}.")
    url = f"{os.environ.get('GITLEAKS_RELEASES', _RELEASES)}/v{VERSION}/gitleaks_{VERSION}_{build}.tar.gz"
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            archive = response.read()
    except OSError as error:
        raise UnreachableError(
            f"gitleaks is not installed, and {url} cannot be fetched ({error}). Install it, or say "
            "where it is: GITLEAKS=/path/to/gitleaks"
        ) from None
    if hashlib.sha256(archive).hexdigest() != _CHECKSUMS[build]:
        raise SystemExit(f"{url} is not what it was when its checksum was written down. Stop here.")
    _install(archive, fetched)
    return str(fetched)


def _install(archive: bytes, target: Path) -> None:
    """Put the program in its place, as a whole or not at all."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        program = tar.extractfile("gitleaks")
        assert program is not None
        content = program.read()
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f"{target.name}.{os.getpid()}")
    aside.write_bytes(content)
    aside.chmod(0o755)
    aside.replace(target)


def main(arguments: list[str]) -> None:
    """Run gitleaks; exit with 1 if it finds something, or cannot look. What is about to be committed
    then passes, with a warning: the pipeline looks at it."""
    try:
        gitleaks = find_gitleaks()
    except UnreachableError as error:
        if arguments != ["--staged"]:
            raise SystemExit(str(error)) from None
        print(f"Warning: nobody has looked for secrets, CI will. {error}", file=sys.stderr)
        return
    # This folder alone, where it is a part of a bigger repository.
    history = "--log-opts=--full-history --all -- ."
    what = ["--pre-commit", "--staged"] if arguments == ["--staged"] else [history]
    options = ["--no-banner", "--redact", "--verbose", "--exit-code", str(_FOUND)]
    done = subprocess.run([gitleaks, "git", *options, *what], cwd=ROOT)
    if done.returncode == _FOUND:
        print(
            "A secret that was ever in git is known: revoke it first, then take it out. If it is "
            "none, say so in that line: gitleaks:allow",
            file=sys.stderr,
        )
    sys.exit(bool(done.returncode))


if __name__ == "__main__":
    main(sys.argv[1:])
