"""What the documentation tells people to type, typed."""

import os
import re
import subprocess
from pathlib import Path
from textwrap import dedent

from generated import Repository
from replica import find_binaries


def follow(shop: Repository, title: str, folder: Path) -> None:
    """Run the commands that the documentation gives under a title, in a shell as it is there."""
    written = (shop.path / "docs/postgres.md").read_text("utf-8")
    section = re.split(rf"^##+ {re.escape(title)}\n", written, flags=re.MULTILINE)[1]
    done = run_commands(shop, section.split("```\n")[1], folder)
    assert "error" not in done.stderr, done.stderr


def follow_skill(shop: Repository, name: str, address: str = "http://127.0.0.1:8000") -> str:
    """Run all commands of a skill, one block after the other; returns what they print."""
    written = shop.read(f".agents/skills/{name}/SKILL.md")
    written = written.replace("http://127.0.0.1:8000", address)
    blocks = re.findall(r"^ *```\n(.*?)^ *```$", written, re.DOTALL | re.MULTILINE)
    return run_commands(shop, "".join(map(dedent, blocks)), shop.path).stdout


def run_commands(shop: Repository, commands: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run commands in a shell that has the tools of Postgres and of the repository."""
    folders = (str(find_binaries()), str(shop.path / ".venv/bin"), os.environ["PATH"])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={**shop.environment, "PATH": os.pathsep.join(folders)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done
