"""What the documentation tells people to type, typed."""

import os
import re
import subprocess
from pathlib import Path

from generated import Repository
from replica import find_binaries


def follow(shop: Repository, title: str, folder: Path) -> None:
    """Run the commands that the documentation gives under a title, in a shell as it is there."""
    written = (shop.path / "docs/postgres.md").read_text("utf-8")
    section = re.split(rf"^##+ {re.escape(title)}\n", written, flags=re.MULTILINE)[1]
    commands = section.split("```\n")[1]
    folders = (str(find_binaries()), str(shop.path / ".venv/bin"), os.environ["PATH"])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={**shop.environment, "PATH": os.pathsep.join(folders)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "error" not in done.stderr, done.stderr
