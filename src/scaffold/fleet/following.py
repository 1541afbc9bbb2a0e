"""One repository follows its template: in a worktree of its own, as far as was asked."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock

from scaffold import git, objects, repository
from scaffold.errors import ScaffoldError
from scaffold.fleet import checking, checkouts, forges, requests
from scaffold.fleet.checkouts import Base, Checkout
from scaffold.fleet.forges import Forge, Kind
from scaffold.fleet.outcome import Outcome, State
from scaffold.fleet.versions import Shared
from scaffold.update import Updated, update
from scaffold.update_report import short


class Wave:
    """How many pull requests may be opened yet."""

    def __init__(self, most: int | None) -> None:
        self._left = most
        self._lock = Lock()

    def take(self) -> bool:
        """Take one, if there is one left."""
        with self._lock:
            if self._left is None:
                return True
            self._left -= 1
            if self._left < 0:
                self._left = 0
                return False
            return True

    def give_back(self) -> None:
        """One was not opened after all."""
        with self._lock:
            if self._left is not None:
                self._left += 1


@dataclass
class Wanted:
    """What a run is to do with each repository.

    Attributes:
        to: the template's version; none is its newest release.
        source: where to read the template instead.
        dry_run: only say what would come.
        check: run `make check`, for as many minutes; none does not.
        push: push branches.
        open: open pull requests.
        forge: the forge's program; none goes by the remote's host.
        wave: how many may be opened yet.
        versions: the templates.
        stopped: set when all is to end.
    """

    to: str | None = None
    source: str | None = None
    dry_run: bool = False
    check: float | None = None
    push: bool = False
    open: bool = False
    forge: Kind | None = None
    wave: Wave = field(default_factory=lambda: Wave(None))
    versions: Shared = field(default_factory=Shared)
    stopped: Event = field(default_factory=Event)


def follow(checkout: Checkout, outcome: Outcome, wanted: Wanted) -> None:
    """Bring one repository as far as is wanted; `outcome` is told as it goes.

    Raises:
        ScaffoldError: where that cannot be done; a branch that was to be pushed is gone then.
    """
    with checkouts.claimed(checkout, outcome.name):
        forge = None
        if (wanted.open or wanted.push) and not checkout.remote:
            raise ScaffoldError(f"{checkout.folder} has no remote to push to; add one")
        if wanted.open:
            forge = forges.of(checkout.url, wanted.forge)
            forge.need(checkout.folder)
        base = checkouts.base(checkout)
        files = checkouts.committed(checkout, base.commit)
        branch = _look(checkout, base, files, outcome, wanted)
        there = checkouts.known(checkout, base, branch)
        with checkouts.worktree(checkout, base.commit, files) as root:
            done = _update(root, None if wanted.dry_run or there else branch, checkout, wanted)
            _tell(outcome, done, checkout, there)
            if done.is_current or wanted.dry_run:
                return
            outcome.branch = branch if there or done.branch else ""
            commit = there or done.commit or ""
            work = _Work(checkout, base, branch, commit, done, outcome, wanted, root)
            try:
                work.publish(forge)
            finally:
                if not there:
                    work.tidy()


def _update(root: Path, branch: str | None, checkout: Checkout, wanted: Wanted) -> Updated:
    """Make the update on a new branch, or without one only find out what it would be."""
    try:
        return update(
            root,
            to=wanted.to,
            source=wanted.source,
            branch=branch,
            dry_run=branch is None,
            histories=wanted.versions,
        )
    except ScaffoldError as error:  # What it says of our worktree, it means of the repository.
        place = checkout.folder / checkout.prefix
        raise ScaffoldError(str(error).replace(str(root), str(place))) from None


def _look(
    checkout: Checkout, base: Base, files: Mapping[str, bytes], outcome: Outcome, wanted: Wanted
) -> str:
    """Find out which version there is, and which one comes; return the name of its branch."""
    path = checkout.prefix + repository.ANSWERS
    if repository.ANSWERS not in files:
        raise ScaffoldError(
            f"there is no {path} on {base.branch}, so it follows no template; name the "
            "folder in it that does, run `scaffold adopt` in it, or take it off the list"
        )
    app = repository.read_template(Path(path), files[repository.ANSWERS])
    outcome.version = short(app.version)
    history = wanted.versions(app.source, wanted.to, wanted.source, lambda _: None)
    outcome.behind = "" if history.is_ahead(app.version) else history.behind(app.version)
    return f"{checkouts.PREFIX}{short(history.new.version)}"


def _tell(outcome: Outcome, done: Updated, checkout: Checkout, there: str | None) -> None:
    outcome.to = short(done.new)
    outcome.edited = done.edited
    outcome.conflicts = [each.path for each in done.conflicts]
    outcome.state = (
        State.CURRENT
        if done.is_current
        else State.CONFLICT
        if done.conflicts and not (there and _records(checkout, there, done.new))
        else State.CLEAN
    )


def _records(checkout: Checkout, commit: str, version: str) -> bool:
    """Whether a commit has a version of the template."""
    content = checkouts.committed(checkout, commit).get(repository.ANSWERS, b"")
    with suppress(ScaffoldError):
        return repository.read_template(Path(), content).version == version
    return False


@dataclass
class _Work:
    """A repository that has an update to come.

    Attributes:
        commit: of the branch; none where it conflicts and nobody was told yet.
        is_published: whether the remote has what was asked for.
    """

    checkout: Checkout
    base: Base
    branch: str
    commit: str
    done: Updated
    outcome: Outcome
    wanted: Wanted
    root: Path
    is_published: bool = False

    def publish(self, forge: Forge | None) -> None:
        """Check the update, push it, open its pull request: each unless that was done before."""
        outcome, wanted = self.outcome, self.wanted
        if self.commit != self.done.commit:
            self._need_ours()
        if forge and (found := forge.find(self.checkout.folder, self.branch)):
            outcome.pull_request = found.url
            if found.state != "open":
                outcome.note = f"its pull request is {found.state}"
            self.is_published = self.branch in self.base.pushed
            return
        if forge and not wanted.wave.take():
            outcome.waits, outcome.note = True, "waits for the next wave"
            return
        try:
            failed = self._check() if wanted.check and outcome.state == State.CLEAN else ""
            if forge and outcome.state == State.CONFLICT and not outcome.branch:
                self._announce()
            if (wanted.push or forge) and outcome.branch:
                if self.branch not in self.base.pushed:
                    checkouts.push(self.checkout, self.branch)
                self.is_published = True
            if forge:
                request = requests.of(self.done, self.branch, self.base.branch, failed)
                outcome.pull_request = forge.open(self.checkout.folder, request)
        except BaseException:
            if forge:
                wanted.wave.give_back()
            raise

    def _need_ours(self) -> None:
        """Refuse a branch of this name that somebody made for something else."""
        mine = self.done.conflicts or _records(self.checkout, self.commit, self.done.new)
        if not mine:
            raise ScaffoldError(
                f"the branch {self.branch} is there and does not hold this update; rename or "
                "delete it"
            )

    def _announce(self) -> None:
        """Make a branch that holds no change: what conflicts is merged by somebody, whole."""
        about = f"Update to template {self.done.new}: {len(self.done.conflicts)} in conflict"
        tree, folder = f"{self.base.commit}^{{tree}}", self.checkout.folder
        tree = git.run("rev-parse", tree, cwd=folder)
        commit = objects.commit_tree(folder, tree, about, [self.base.commit])
        git.run("branch", "--no-track", self.branch, commit, cwd=folder)
        self.outcome.branch = self.branch

    def _check(self) -> str:
        """Run `make check` on the branch; return the end of what it printed, if that failed."""
        checkouts.fill(self.root, self.commit)
        log = self.checkout.home / "check.log"
        assert self.wanted.check
        failed = checking.check(self.root, log, self.wanted.check, self.wanted.stopped)
        self.outcome.log = str(log)
        if failed:
            self.outcome.state = State.CHECK_FAILED
        return failed

    def tidy(self) -> None:
        """Leave no branch behind that was to be published, and is not."""
        asked = self.wanted.push or self.wanted.open
        if asked and self.outcome.branch and not self.is_published:
            checkouts.delete(self.checkout, self.branch)
            self.outcome.branch = ""
