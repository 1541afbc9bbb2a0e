"""Pull requests, by the command line of the forge: `gh` for GitHub, `glab` for GitLab."""

import json
import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock

from scaffold import addresses
from scaffold.errors import ScaffoldError

_PATIENCE = 120  # seconds for one call of a forge
_CHECKED: dict[tuple[str, str], str] = {}
_CHECKING = Lock()


class Kind(StrEnum):
    """Which command line a forge has."""

    GH = "gh"
    GLAB = "glab"


@dataclass(frozen=True)
class Request:
    """A pull request that is to be opened."""

    branch: str
    into: str
    title: str
    body: str
    labels: Sequence[str]
    is_draft: bool


@dataclass(frozen=True)
class Found:
    """A pull request that is there: its address, and `open`, `closed` or `merged`."""

    url: str
    state: str


class Forge(ABC):
    """A forge, asked from inside a repository that has it for a remote."""

    kind: Kind
    home: str
    tokens: tuple[str, ...]

    def __init__(self, host: str) -> None:
        self.host = host

    @abstractmethod
    def find(self, folder: Path, branch: str) -> Found | None:
        """The newest pull request that was opened for a branch, whatever became of it."""

    @abstractmethod
    def open(self, folder: Path, request: Request) -> str:
        """Open a pull request; return its address."""

    def need(self, folder: Path) -> None:
        """Refuse to go on without the program, or where it is not logged in."""
        with _CHECKING:
            known = (self.kind, self.host)
            if known not in _CHECKED:
                _CHECKED[known] = self._problem(folder)
            if _CHECKED[known]:
                raise ScaffoldError(_CHECKED[known])

    def _problem(self, folder: Path) -> str:
        if shutil.which(self.kind) is None:
            return (
                f"{self.kind} is not on PATH, so no pull request can be opened on "
                f"{self.host or 'this forge'}; install it ({self.home}), or leave out --open"
            )
        if any(os.environ.get(name) for name in self.tokens):
            return ""  # As in a pipeline; `auth status` does not look at it everywhere.
        where = ["--hostname", self.host] if self.host else []
        if self._call(folder, "auth", "status", *where).returncode:
            return (
                f"{self.kind} is not logged in{f' to {self.host}' if self.host else ''}; run "
                f"`{self.kind} auth login{f' --hostname {self.host}' if self.host else ''}`"
            )
        return ""

    def ask(self, folder: Path, *arguments: str, given: str = "") -> str:
        """Run the program; return what it prints."""
        done = self._call(folder, *arguments, given=given)
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
            said = " ".join(line.strip() for line in lines[:2])
            raise ScaffoldError(f"{self.kind} {' '.join(arguments[:2])} failed: {said}")
        return done.stdout

    def _call(
        self, folder: Path, *arguments: str, given: str = ""
    ) -> subprocess.CompletedProcess[str]:
        quiet = {
            "GH_PROMPT_DISABLED": "1",
            "GLAB_NO_PROMPT": "1",
            "NO_PROMPT": "1",
            "NO_COLOR": "1",
        }
        try:
            return subprocess.run(
                [self.kind, *arguments],
                cwd=folder,
                env={**os.environ, **quiet},
                input=given,
                capture_output=True,
                text=True,
                check=False,
                timeout=_PATIENCE,
            )
        except subprocess.TimeoutExpired:
            raise ScaffoldError(
                f"{self.kind} {' '.join(arguments[:2])} did not answer within {_PATIENCE} s"
            ) from None
        except OSError as error:
            raise ScaffoldError(f"{self.kind} cannot be run: {error.strerror}") from None


class _GitHub(Forge):
    kind = Kind.GH
    home = "https://cli.github.com"
    tokens = ("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")

    def find(self, folder: Path, branch: str) -> Found | None:
        fields = ("--json", "url,state", "--limit", "1")
        found = json.loads(
            self.ask(folder, "pr", "list", "--head", branch, "--state", "all", *fields)
        )
        return Found(found[0]["url"], found[0]["state"].lower()) if found else None

    def open(self, folder: Path, request: Request) -> str:
        for label in request.labels:  # One that is not there is refused below.
            self.ask(folder, "label", "create", label, "--force", "--color", "D93F0B")
        said = self.ask(
            folder,
            *("pr", "create", "--head", request.branch, "--base", request.into),
            *("--title", request.title, "--body-file", "-"),
            *(part for label in request.labels for part in ("--label", label)),
            *(("--draft",) if request.is_draft else ()),
            given=request.body,
        )
        return said.split()[-1] if said.split() else ""


class _GitLab(Forge):
    kind = Kind.GLAB
    home = "https://gitlab.com/gitlab-org/cli"
    tokens = ("GITLAB_TOKEN", "GITLAB_ACCESS_TOKEN", "OAUTH_TOKEN")

    def find(self, folder: Path, branch: str) -> Found | None:
        asked = ("mr", "list", "--all", "--source-branch", branch, "--per-page", "1")
        found = json.loads(self.ask(folder, *asked, "--output", "json") or "[]")
        if not found:
            return None
        state = found[0]["state"]
        return Found(found[0]["web_url"], "open" if state == "opened" else state)

    def open(self, folder: Path, request: Request) -> str:
        said = self.ask(
            folder,
            *("mr", "create", "--yes", "--source-branch", request.branch),
            *("--target-branch", request.into, "--title", request.title),
            *("--description", request.body, "--remove-source-branch"),
            *(part for label in request.labels for part in ("--label", label)),
            *(("--draft",) if request.is_draft else ()),
        )
        return next((word for word in said.split() if word.startswith("http")), "")


def of(url: str, kind: Kind | None) -> Forge:
    """The forge of a remote: by its host, unless it is said."""
    host = addresses.key(url)[0] if addresses.is_remote(url) else ""
    if kind is None:
        named = [each for word, each in _NAMES.items() if word in host]
        if not named:
            raise ScaffoldError(
                f"{addresses.redact(url) or 'it has no remote, which'} does not say which forge it "
                "is on; pass --forge gh or --forge glab"
            )
        kind = named[0]
    return (_GitHub if kind == Kind.GH else _GitLab)(host)


_NAMES = {"github": Kind.GH, "gitlab": Kind.GLAB}
