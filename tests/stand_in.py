"""Containers on a machine without a daemon: a base image from Debian's packages, buildah and podman.

What is built and run is real. Only the base is not the one that the Dockerfile names: Debian's own
Python of the same version stands under its name, with what of this machine it takes to reach PyPI.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from generated import ROOT, UV, Repository

_KEPT = ROOT / ".tools" / "image"
"""Where the base is kept: what is in it changes with its name alone."""
_NEEDED = ("buildah", "podman", "mmdebstrap", "unshare")
_SHARED_MEMORY = Path("/dev/shm")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_RUN = """\
#!/bin/sh
# Of a machine with cgroups of both versions, crun makes nothing.
[ "$1" = run ] || exec /usr/bin/podman "$@"
shift
exec unshare --mount sh -c 'umount --recursive /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup
  exec /usr/bin/podman run --ulimit=nofile=1024:1024 \
    --ulimit=nproc=1024:1024 --pull=never "$@"' podman "$@"
"""


class Engine:
    """buildah and podman with a storage of their own."""

    build_options = "--isolation=chroot --network=host --pull=never"

    def __init__(self, folder: Path) -> None:
        for program in _NEEDED:
            if not shutil.which(program):
                pytest.fail(
                    f"this test needs {program}: apt-get install buildah crun mmdebstrap podman"
                )
        self.folder = folder
        config = folder / "storage.conf"
        # As in the pipeline for GitLab.
        (folder / "containers.conf").write_text(
            '[containers]\ncgroups = "disabled"\n'
            '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )
        podman = folder / "bin" / "podman"
        podman.parent.mkdir()
        podman.write_text(_RUN)
        podman.chmod(0o755)
        self.environment = {
            **os.environ,
            "BUILDAH_LAYERS": "true",  # What was built before is not built again.
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(config),
            "PATH": os.pathsep.join([str(podman.parent), os.environ["PATH"]]),
            "TMPDIR": str(folder),
        }
        for driver in ("overlay", "vfs"):  # The second copies each layer, and works everywhere.
            storage = f'driver = "{driver}"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"'
            config.write_text(f"[storage]\n{storage}\n")
            if "GraphRoot" in self("buildah", "info", check=False):
                break

    def __call__(self, *command: str, check: bool = True) -> str:
        return Repository(self.folder, self.environment).run(*command, check=check).stdout

    def provide(self, name: str) -> None:
        """Make an image of Debian's Python, under the name of the real one."""
        release = name.rpartition("-")[2]
        base = self("buildah", "from", "scratch").strip()
        self("buildah", "add", "--quiet", base, str(self._debian(release)), "/")
        pip = self.folder / "pip"
        self(
            UV, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(pip), "pip"
        )
        (pip / ".lock").unlink(missing_ok=True)
        self("buildah", "add", "--quiet", base, str(pip), "/usr/local/lib/python3.13/dist-packages")
        # As in the image from Docker Hub.
        link = (
            "ln -s /usr/bin/python3 /usr/local/bin/python; rm /usr/lib/python3*/EXTERNALLY-MANAGED"
        )
        self("buildah", "run", "--isolation=chroot", base, "--", "sh", "-c", link)
        self("buildah", "add", "--quiet", base, str(_CERTIFICATES), str(_CERTIFICATES))
        for variable, value in os.environ.items():
            if variable.startswith(("PIP_", "UV_INDEX", "UV_DEFAULT_INDEX", "SSL_CERT_FILE")):
                self("buildah", "config", f"--env={variable}={value}", base)
        self("buildah", "commit", "--quiet", "--rm", base, name)

    def _debian(self, release: str) -> Path:
        packages = "python3,libstdc++6"
        kept = _KEPT / f"{release}-{packages}.tar"
        if not kept.exists():
            _KEPT.mkdir(parents=True, exist_ok=True)
            made = self.folder / "debian.tar"
            options = ["--variant=essential", f"--include={packages}"]
            options += ['--aptopt=Acquire::Languages "none"']
            options += [
                f"--dpkgopt=path-exclude=/usr/share/{it}/*" for it in ("doc", "locale", "man")
            ]
            self("mmdebstrap", "--quiet", *options, release, str(made), *_mirror())
            shutil.move(made, kept)
        return kept


def _mirror() -> list[str]:
    """Where this machine gets Debian's packages; mmdebstrap knows Debian's own otherwise."""
    command = ["apt-get", "indextargets", "--format=$(SITE)", "Created-By: Packages"]
    listed = subprocess.run([*command, "Label: Debian"], capture_output=True, text=True).stdout
    return listed.split()[:1]


def scratch() -> Path:
    """A new folder for images: in memory where there is room, as layers are copied often."""
    is_roomy = _SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).free > 8e9
    return Path(tempfile.mkdtemp(prefix="images-", dir=_SHARED_MEMORY if is_roomy else None))
