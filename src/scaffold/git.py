"""The only file that runs git."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from scaffold.errors import ScaffoldError

# Set while a hook or `git rebase --exec` runs: they would point every git below at that repository.
_INHERITED = (
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)

# What ssh, curl and git call the cause: neither the first nor the last line of what they say.
_CAUSES = re.compile(
    r"host key verification failed|host identification has changed|permission denied|denied to|"
    r"could ?n[o']t resolve|connection (?:refused|timed out|closed|reset)|timed out|no route to|"
    r"network is unreachable|too slow|authentication failed|could not read (?:username|password)|"
    r"not found|does not appear to be a git|no such|certificate|dubious ownership",
    re.IGNORECASE,
)
_CHATTER = re.compile(
    r"warning:|hint:|cloning into|fatal: could not read from remote|please make|and the repo|\W*$",
    re.IGNORECASE,
)


def need() -> None:
    """Refuse to go on without git, and forget the repository of a hook that calls us."""
    if shutil.which("git") is None:
        raise ScaffoldError("git is not on PATH; install it and try again")
    for name in _INHERITED:
        os.environ.pop(name, None)


def is_root(folder: Path) -> bool:
    """Tell whether a folder is the top of a git repository (a bare one counts)."""
    try:
        top = run("rev-parse", "--show-toplevel", cwd=folder)
    except ScaffoldError as error:
        if "dubious ownership" in str(error):
            raise
        return succeeds("rev-parse", "--resolve-git-dir", str(folder), cwd=folder)
    return Path(top).resolve() == folder.resolve()


def around(folder: Path) -> Path | None:
    """The top of the repository whose working tree a folder stands in."""
    found = call("rev-parse", "--show-toplevel", cwd=folder)
    return Path(found.stdout.rstrip("\n")) if found.returncode == 0 and found.stdout else None


def head(folder: Path) -> str:
    """The full hash of the commit that is checked out."""
    try:
        return run("rev-parse", "--verify", "HEAD", cwd=folder)
    except ScaffoldError:
        raise ScaffoldError(f"{folder} has no commit yet; commit the template first") from None


def tags(folder: Path, revision: str | None = None) -> list[str]:
    """All tags of a repository, or those of one commit."""
    return run(
        "tag", "--list", *(["--points-at", revision] if revision else []), cwd=folder
    ).split()


def remote(folder: Path) -> str | None:
    """The name of the remote that others know a repository by: `origin`, or else the only one."""
    names = run("remote", cwd=folder).split()
    return "origin" if "origin" in names else names[0] if len(names) == 1 else None


def is_pushed(folder: Path, remote: str, revision: str) -> bool:
    """Tell whether a commit is on a branch of a remote, by what was last heard of it."""
    refs = ("for-each-ref", "--count=1", "--contains", revision, f"refs/remotes/{remote}/")
    return bool(run(*refs, cwd=folder))


def changes(folder: Path, *paths: str) -> list[str]:
    """Uncommitted changes below some paths, one line each, as `git status --porcelain` says it."""
    asked = ("--no-optional-locks", "status", "--porcelain", "--", *paths)
    return run(*asked, cwd=folder).splitlines()


def commit(folder: Path, revision: str) -> str | None:
    """The full hash of what a revision names, in any spelling that git understands, if anything."""
    more = () if revision == "HEAD" or revision.startswith("refs/") else ("refs/remotes/origin/",)
    for spelling in (revision, *(before + revision for before in more)):
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{spelling}^{{commit}}")
        found = call(*asked, cwd=folder)
        if found.returncode == 0:
            return found.stdout.strip()
    return None


def has_commit(folder: Path, revision: str) -> bool:
    """Tell whether a revision, in any spelling that git understands, names a commit."""
    return commit(folder, revision) is not None


def by_hash(folder: Path, revision: str) -> str | None:
    """The full hash of what a revision names by a hash, or as `git describe` does, if it does."""
    found, named = commit(folder, revision), revision.rpartition("-g")[2]
    return found if found and len(named) >= 7 and found.startswith(named) else None


def is_picking(folder: Path) -> bool:
    """Whether a cherry-pick is in progress; that is how git sees an update in conflict."""
    return succeeds("rev-parse", "--verify", "--quiet", "CHERRY_PICK_HEAD", cwd=folder)


def ignored(folder: Path, paths: Iterable[str], *options: str) -> list[tuple[str, str]]:
    """Those of some paths that git would leave out, each with the rule: file:line:pattern."""
    asked = "\0".join(paths)
    command = (*options, "check-ignore", "--verbose", "-z", "--stdin")
    found = call(*command, cwd=folder, stdin=asked.encode())
    parts = found.stdout.split("\0")
    rules = zip(*(parts[start::4] for start in range(4)), strict=False)
    return [
        (path, f"{file}:{line}:{pattern}")
        for file, line, pattern, path in rules
        if not pattern.startswith("!")
    ]


def need_identity(folder: Path | None = None) -> None:
    """Refuse to go on when a commit would fail because git does not know whose it is."""
    both = ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT")
    if not all(succeeds("var", one, cwd=folder) for one in both):
        raise ScaffoldError(
            "git does not know who you are, so the commit would fail; "
            "set `git config --global user.name` and `user.email`"
        )


def first_commit(folder: Path, message: str, repository: Path | None = None) -> None:
    """Commit all of a folder: into a new repository on the branch `main`, or into an empty one.

    All means all: what a rule of the user's own would hide was rendered to be kept.
    """
    there = ["--git-dir", str(repository), "--work-tree", str(folder)] if repository else []
    try:
        if not repository:
            run("init", "--quiet", "--initial-branch=main", cwd=folder)
        run(*there, "add", "--all", "--force", cwd=folder)
        run(*there, "commit", "--quiet", "--message", message, cwd=folder)
    except ScaffoldError as error:
        if repository:
            succeeds(*there, "read-tree", "--empty", cwd=folder)
        raise ScaffoldError(f"{error}; mend that, or pass --no-git") from None


def run(*arguments: str, cwd: Path | None = None, stdin: bytes | None = None) -> str:
    """Run git and return what it prints, without the space at the end."""
    done = call(*arguments, cwd=cwd, stdin=stdin)
    if done.returncode:
        said = reason(done.stderr.strip() or done.stdout)
        words = (each for each in arguments if not each.startswith(("-", "/")) and "=" not in each)
        command = next(words, arguments[0])
        raise ScaffoldError(f"git {command} failed in {cwd or Path.cwd()}: {said}")
    return done.stdout.rstrip()


def reason(said: str) -> str:
    """The line that tells why git failed."""
    lines = [line.strip() for line in said.splitlines()]
    lines = [line for line in lines if not _CHATTER.match(line)] or lines
    causes = [line for line in lines if _CAUSES.search(line)]
    verdicts = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return next(iter([*causes, *verdicts, *lines]), "no reason given")


def succeeds(*arguments: str, cwd: Path | None = None) -> bool:
    """Tell whether git has nothing to object."""
    return call(*arguments, cwd=cwd).returncode == 0


def call(
    *arguments: str,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    seconds: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run git to its end, whatever it is; after some seconds, if given, that is a failure."""
    command = ["git", *arguments]
    try:
        done = subprocess.run(
            command, cwd=cwd, input=stdin, capture_output=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        late = f"fatal: timed out after {seconds:g} seconds"
        return subprocess.CompletedProcess(command, 128, "", late)
    except FileNotFoundError:
        raise ScaffoldError("git is not on PATH; install it and try again") from None
    said = [part.decode(errors="replace") for part in (done.stdout, done.stderr)]
    return subprocess.CompletedProcess(done.args, done.returncode, *said)
