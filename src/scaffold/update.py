"""Bring a repository to another version of its template: app and modules in one three-way merge."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaffold import dependencies, git, merging, objects, plan, ready, repository, rewriting
from scaffold.errors import ScaffoldError
from scaffold.history import Ask, Histories, History
from scaffold.landing import Result, land
from scaffold.objects import Tree
from scaffold.reconcile import Conflict, reconcile
from scaffold.rendered import Both, render_both
from scaffold.rewriting import ToDo


@dataclass
class Updated:
    """An update that was made, or would be.

    Attributes:
        root: of the repository.
        old: the version it had.
        new: the version it has now.
        behind: the modules that were at another version than the app, each with it.
        changed: the paths that differ from before.
        conflicts: what the team must decide.
        moved: what was followed to its new place, by the old one.
        stays_deleted: what the team deleted and the template has changed since.
        kept: what the template dropped and the team had edited.
        written_once: migrations that the template writes otherwise now, and that stay as they are.
        defaults: answers to new questions, by where and question.
        bounds: of dependencies that the template has changed.
        dropped: answers that no question takes any more, by where and question.
        left: modules that do not follow, each with the reason.
        rewritten: what the team's Python files now follow, by path.
        to_do: lines that are left to the team.
        changelog: what the template's changelog gained.
        lacking: that the new version does not contain the old one, in a sentence.
        edited: the app's files that the team has changed, by where they are now in the template,
            each with its hash; none where it was deleted.
        commit: of the result; none where there is nothing to commit.
        branch: that was made for it.
        written: whether anything was; a branch takes no conflict.
    """

    root: Path
    old: str
    new: str
    behind: dict[str, str] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    stays_deleted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    written_once: list[str] = field(default_factory=list)
    defaults: dict[str, Any] = field(default_factory=dict)
    bounds: list[str] = field(default_factory=list)
    dropped: dict[str, Any] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    rewritten: dict[str, list[str]] = field(default_factory=dict)
    to_do: list[ToDo] = field(default_factory=list)
    changelog: str = ""
    lacking: str = ""
    edited: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    branch: str | None = None
    written: bool = False

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to do."""
        return not self.changed and not self.conflicts


def update(
    start: Path,
    *,
    to: str | None = None,
    source: str | None = None,
    branch: str | None = None,
    dry_run: bool = False,
    note: Callable[[str], None] = lambda _: None,
    ask: Ask | None = None,
    histories: Histories = History,
) -> Updated:
    """Merge what the template has changed into a repository, all of it or nothing.

    Args:
        start: a folder inside the repository.
        to: tag, branch or commit of the template; none takes its newest release.
        source: path or URL to read the template from, instead of where it is recorded.
        branch: leave the checkout alone, and put the result on a new branch of this name.
        dry_run: write nothing into the repository.
        note: is told what takes long, before it does.
        ask: puts new questions to the user; none takes their defaults.
        histories: finds the template's versions; several repositories may share them.

    Raises:
        ScaffoldError: with nothing written.
    """
    git.need()
    root = repository.find_root(start)
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(plan.lock(root / repository.ANSWERS))
        head, prefix = ready.checked_out(root)
        _check_ready(root, branch, dry_run)
        ours = objects.tree_of(root, f"{head}:{prefix}")
        note("rendering both versions")
        both = render_both(root, ours, to, source, note, ask, histories)
        done = Updated(root, both.old, both.new, both.behind, defaults=both.defaults)
        done.changelog, done.dropped, done.left = both.changelog, both.dropped, both.left
        done.lacking = both.lacking
        done.bounds = dependencies.changed(both.base, both.theirs)
        done.edited = _edited(both, ours)
        attributes = root / ".gitattributes"
        team = attributes.read_bytes() if attributes.is_file() else b""
        scratch = stack.enter_context(merging.scratch(root, ours, team))
        note("merging")
        found = reconcile(scratch, both, ours)
        merged = found.merged
        followed = rewriting.follow(scratch, merged, found.theirs, both.changes)
        done.rewritten, done.to_do = followed.rewritten, followed.to_do
        done.changed = sorted(
            path
            for path in ours.keys() | merged.files.keys()
            if ours.get(path) != merged.files.get(path)
        )
        done.conflicts, done.moved = found.conflicts, found.moved
        done.stays_deleted, done.kept = found.stays_deleted, found.kept
        done.written_once = sorted(found.written_once)
        if done.is_current or dry_run or (branch and done.conflicts):
            return done
        result = Result(head, prefix, ours, merged, f"Update to template {both.new}")
        commit = land(scratch, root, result, branch)
        done.commit = None if done.conflicts else commit
        done.branch, done.written = branch, True
    return done


def _edited(both: Both, ours: Tree) -> dict[str, str]:
    modules = f"{repository.MODULES.as_posix()}/"
    found = {}
    for path, file in both.base.items():
        derived = path.endswith("CODEOWNERS")
        if derived or path.startswith(modules) or path in both.answers_files:
            continue
        blob = ours.get(path, ("", ""))[1]
        if blob != objects.hash_of(file.content, blob):
            found[both.moved.get(path, path)] = blob
    return found


def _check_ready(root: Path, branch: str | None, dry_run: bool) -> None:
    """Refuse what an update would run over."""
    if not dry_run and not branch:
        ready.check_idle(root)
    if branch:
        if objects.status_of("check-ref-format", "--branch", branch, cwd=root):
            raise ScaffoldError(f"{branch!r} is no name for a branch; choose another")
        if git.has_commit(root, f"refs/heads/{branch}"):
            raise ScaffoldError(f"the branch {branch} exists already; choose another name")
    elif not dry_run:
        changed = objects.plumb(
            *("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty"),
            *("--", "."),
            cwd=root,
        ).decode(errors="replace")
        if changed:
            raise ScaffoldError(
                f"{root} has uncommitted changes ({changed.splitlines()[0].strip()}); commit or "
                "stash them, or pass --branch, which leaves the checkout alone"
            )
    if not dry_run:
        git.need_identity(root)
