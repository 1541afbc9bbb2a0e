"""A member's git repository: where it is, which branch is its default, a worktree of our own."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from scaffold import addresses, git, mirror, objects, repository
from scaffold.errors import ScaffoldError
from scaffold.fleet import places
from scaffold.fleet.listing import Member

PREFIX = "scaffold/"
"""Branches of ours begin so."""

_NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
_QUIET = (*_NO_HOOKS, *mirror.PATIENCE)
"""A team's hooks are for what the team does."""

_READ = (repository.ANSWERS, ".gitattributes")


@dataclass(frozen=True)
class Checkout:
    """A git repository on this machine.

    Attributes:
        folder: to run git in.
        store: where git keeps it; worktrees share it.
        prefix: the folder in it that follows the template; mostly none.
        remote: the name of the one that others share it by.
        url: of that remote.
    """

    folder: Path
    store: Path
    prefix: str = ""
    remote: str = ""
    url: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """The same for all ways to name one repository."""
        return (*addresses.key(self.url or str(self.store)), self.prefix)

    @property
    def home(self) -> Path:
        """Our folder for it in the cache."""
        return places.home("repositories", places.key(str(self.store)))


@dataclass(frozen=True)
class Base:
    """The default branch of a repository, and which branches of ours are there.

    Attributes:
        branch: its name.
        commit: its newest commit, which is on this machine.
        pushed: hashes on the remote, by branch.
    """

    branch: str
    commit: str
    pushed: dict[str, str] = field(default_factory=dict)


def find(member: Member) -> Checkout:
    """Find a member's repository, or make a clone of it in the cache."""
    if member.problem:
        raise ScaffoldError(member.problem)
    folder = _clone(addresses.for_git(member.given)) if member.is_remote else Path(member.given)
    asked = ("--path-format=absolute", "--git-common-dir", "--show-prefix")
    found = git.call("rev-parse", *asked, cwd=folder)
    if found.returncode:
        where = f"{member.line}: {member.given}" if member.line else member.given
        why = git.reason(found.stderr)
        if "not a git repository" in why:
            why = "it is no git repository; `git init` there, or take it out of the list"
        raise ScaffoldError(f"{where} cannot be updated: {why}")
    store, prefix, *_ = [*found.stdout.split("\n"), ""]
    name = git.remote(folder) or ""
    if not name and (names := git.run("remote", cwd=folder).split()):
        raise ScaffoldError(
            f"{member.given} has the remotes {', '.join(names)} and none is called origin, so its "
            "default branch is not known; rename one (git remote rename)"
        )
    url = git.run("remote", "get-url", name, cwd=folder) if name else ""
    if url and not addresses.is_remote(url):
        url = str((folder / url).resolve())
    return Checkout(folder, Path(store), prefix, name, url)


def base(checkout: Checkout) -> Base:
    """Ask which branch is the default one, and fetch it."""
    folder, remote = checkout.folder, checkout.remote
    if not remote:
        return _local_base(checkout)
    wanted = ("HEAD", f"refs/heads/{PREFIX}*")
    said = mirror.look(remote, *_NO_HOOKS, refs=wanted, cwd=folder)
    if said.returncode:
        raise ScaffoldError(
            f"{addresses.redact(checkout.url)} cannot be reached: {git.reason(said.stderr)}"
        )
    lines = [line.split("\t") for line in said.stdout.splitlines()]
    heads = {name: value for value, name in lines if not value.startswith("ref: ")}
    named = [value for value, name in lines if value.startswith("ref: ") and name == "HEAD"]
    if "HEAD" not in heads or not named:
        raise ScaffoldError(
            f"{addresses.redact(checkout.url)} does not say which branch is its default, or that "
            "has no commit yet; set it there"
        )
    branch = named[0].removeprefix("ref: refs/heads/")
    tracking = f"refs/remotes/{remote}/{branch}"
    if git.commit(folder, tracking) != heads["HEAD"]:
        _fetch(checkout, f"+refs/heads/{branch}:{tracking}")
    pushed = {
        name.removeprefix("refs/heads/"): commit
        for name, commit in heads.items()
        if name.startswith(f"refs/heads/{PREFIX}")
    }
    return Base(branch, heads["HEAD"], pushed)


def _local_base(checkout: Checkout) -> Base:
    """Without a remote, it is the branch whose name says so, or the only one."""
    asked = ("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads")
    lines = [line.split(" ") for line in git.run(*asked, cwd=checkout.folder).splitlines()]
    heads = {name: commit for name, commit in lines if not name.startswith(PREFIX)}
    for name in ("main", "master", *(heads if len(heads) == 1 else ())):
        if name in heads:
            return Base(name, heads[name])
    if not heads:
        raise ScaffoldError(f"{checkout.folder} has no commit yet; commit it first")
    raise ScaffoldError(
        f"{checkout.folder} has no remote, and no branch main or master, so its default branch is "
        "not known; give it a remote, or name a branch so"
    )


def known(checkout: Checkout, of: Base, branch: str) -> str | None:
    """The commit of a branch of ours, here or, fetched, on the remote; what is here counts."""
    if here := git.commit(checkout.folder, f"refs/heads/{branch}"):
        return here
    if branch not in of.pushed:
        return None
    _fetch(checkout, f"refs/heads/{branch}")
    return of.pushed[branch]


def push(checkout: Checkout, branch: str) -> None:
    """Push a branch; what is there already and has moved on is not written over."""
    ref = f"refs/heads/{branch}"
    asked = ("push", "--porcelain", "--quiet", "--", checkout.remote, f"{ref}:{ref}")
    done = git.call(*_QUIET, *asked, cwd=checkout.folder)
    if done.returncode:
        refused = [line for line in done.stdout.splitlines() if line.startswith("!")]
        lines = [line.partition("remote:")[2].strip() for line in done.stderr.splitlines()]
        reasons = [line.split("\t")[-1] for line in refused] + [line for line in lines if line][:1]
        raise ScaffoldError(
            f"{branch} could not be pushed to {addresses.redact(checkout.url)}: "
            f"{': '.join(reasons) or git.reason(done.stderr)}"
        )


def delete(checkout: Checkout, branch: str) -> None:
    """Take away a branch that this run has made."""
    git.succeeds("branch", "--quiet", "-D", branch, cwd=checkout.folder)


@contextmanager
def claimed(checkout: Checkout, name: str) -> Iterator[None]:
    """Keep other runs away from a repository, and remove what a killed one left there."""
    busy = f"another run of `scaffold fleet` is at work in {name}; wait for it"
    with places.alone(checkout.home / "lock", busy):
        _sweep(checkout.folder, checkout.home)
        yield


@contextmanager
def worktree(checkout: Checkout, commit: str, files: Mapping[str, bytes]) -> Iterator[Path]:
    """A worktree of our own, with no more of a commit in it than `files`, which an update reads.

    Most of the time of a run would go into files that nobody looks at.
    """
    aside = Path(tempfile.mkdtemp(prefix="tree-", dir=checkout.home))
    (checkout.home / "store").write_text(str(checkout.store))
    try:
        tree = aside / (checkout.store.parent.name or "tree")
        added = ("worktree", "add", "--quiet", "--no-checkout", "--detach", "--", str(tree), commit)
        git.run(*_QUIET, *added, cwd=checkout.folder)
        root = tree / checkout.prefix
        (root / repository.MODULES).mkdir(parents=True)
        for name, content in files.items():
            (root / name).write_bytes(content)
        yield root
    finally:
        _remove(checkout.folder, aside)


def fill(root: Path, commit: str) -> None:
    """Check a commit out into a worktree of ours, whole."""
    git.run(*_QUIET, "reset", "--quiet", "--hard", commit, cwd=root)


def committed(checkout: Checkout, commit: str) -> dict[str, bytes]:
    """What an update reads in a worktree of a commit: those files that are there, by name."""
    asked = [f"{commit}:{checkout.prefix}{name}" for name in _READ]
    found = zip(_READ, objects.read_named(checkout.folder, asked), strict=True)
    return {name: content for name, content in found if content is not None}


def sweep() -> None:
    """Remove the worktrees that killed runs have left, wherever nobody is at work."""
    for folder in places.home("repositories").glob("*/tree-*"):
        with suppress(ScaffoldError, OSError), places.alone(folder.parent / "lock", "busy"):
            store = Path((folder.parent / "store").read_text())
            _sweep(store if store.is_dir() else None, folder.parent)


def _sweep(folder: Path | None, home: Path) -> None:
    for aside in home.glob("tree-*"):
        _remove(folder, aside)


def _remove(folder: Path | None, aside: Path) -> None:
    for tree in aside.iterdir() if folder else ():
        # Twice forced: one that was killed while git made it is locked.
        git.succeeds("worktree", "remove", "--force", "--force", str(tree), cwd=folder)
    shutil.rmtree(aside, ignore_errors=True)


def _fetch(checkout: Checkout, ref: str) -> None:
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
    git.run(*_QUIET, "fetch", *options, "--", checkout.remote, ref, cwd=checkout.folder)


def _clone(url: str) -> Path:
    """A clone in the cache, made beside its place, so that a killed run leaves no half of one."""
    place = places.home("clones", places.key(url))
    with _waiting(place.with_suffix(".lock")):
        if not place.is_dir():
            for left in place.parent.glob(f"{place.name}-*"):
                shutil.rmtree(left, ignore_errors=True)
            aside = Path(tempfile.mkdtemp(prefix=f"{place.name}-", dir=place.parent))
            try:
                name = url.rstrip("/").removesuffix(".git").replace(":", "/").split("/")[-1]
                asked = ("clone", "--quiet", "--no-checkout", "--", url, str(aside / name))
                done = mirror.look(url, cwd=place.parent)
                if not done.returncode:
                    done = git.call(*_QUIET, *asked, cwd=place.parent)
                if done.returncode:
                    why = git.reason(done.stderr)
                    raise ScaffoldError(f"{addresses.redact(url)} cannot be cloned: {why}")
                aside.rename(place)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    return next(place.iterdir())


@contextmanager
def _waiting(file: Path) -> Iterator[None]:
    from scaffold import plan

    file.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with plan.lock(file):
        yield
