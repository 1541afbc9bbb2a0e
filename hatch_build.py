"""Lets a wheel say which commit it was built from, where that is no release.

Its version is then that of a release to come, or of one that is out and another: a repository that
recorded it would be rendered from something else by whoever has the checkout.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILE = "src/scaffold/_commit"


class Hook(BuildHookInterface):
    """Called by hatchling."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the commit in, unless it has the tag of this version, or something else is built."""
        commit = self._git("rev-parse", "HEAD")
        tags = self._git("tag", "--points-at", "HEAD").split()
        is_clean = not self._git("status", "--porcelain", "--untracked-files=no")
        is_release = f"v{self.metadata.version}" in tags
        if commit and is_clean and not is_release and version != "editable":
            file = Path(tempfile.mkdtemp(), "commit")
            file.write_text(commit)
            place = FILE if self.target_name == "sdist" else FILE.removeprefix("src/")
            build_data["force_include"][str(file)] = place

    def _git(self, *arguments: str) -> str:
        if not Path(self.root, ".git").exists():
            return ""  # As in a source distribution, which brings the file.
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()
