"""Give a module another name: its folder, and all that refers to it, in one commit."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from scaffold import folders, git, moved, names, objects, plan, ready, repository
from scaffold.carving.services import check_together
from scaffold.errors import ScaffoldError
from scaffold.landing import Result, land_files
from scaffold.merging import Merged
from scaffold.objects import Tree
from scaffold.renaming import checks
from scaffold.renaming.edited import File, Left, edit
from scaffold.renaming.examples import Examples


@dataclass
class Renamed:
    """A rename that was made, or would be.

    Attributes:
        root: of the repository.
        old: the name that it had.
        new: the name that it has now.
        files: that are another, or elsewhere.
        left: lines that look as if they meant the module, and stay.
        api: what clients see another name of.
        doubts: what databases cannot do for the release before, while both run.
        warnings: what else to know.
        commit: of the result; none where nothing was written.
    """

    root: Path
    old: str
    new: str
    files: list[File] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    api: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    commit: str | None = None


def rename(
    start: Path,
    old: str,
    new: str,
    *,
    source: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Renamed:
    """Rename a module, in all of the repository or not at all.

    Args:
        start: a folder inside the repository.
        old: the name that the module has.
        new: the name that it is to have.
        source: path or URL to read the template from, which says what its examples are.
        force: go on where a database cannot serve the release before meanwhile.
        dry_run: write nothing into the repository.
        note: is told what takes long, before it does.

    Raises:
        ScaffoldError: with nothing written.
    """
    git.need()
    names.check_module(new)
    root = repository.find_root(start)
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(plan.lock(root / repository.ANSWERS))
        folder = f"{repository.MODULES.as_posix()}/{old}"
        _check_names(root, old, new)
        check_together(root, old, "rename")
        head, prefix, ours = _committed(root, folder, dry_run)
        record = moved.read(_content(root, ours, moved.FILE))
        moved.check(record, old, new)
        _check_place(root, new)
        note("reading what refers to it")
        examples = Examples(root, source, note)
        edited = edit(root, ours, old, new, examples)
        done = Renamed(root, old, new, edited.files, edited.left, edited.api)
        if examples.missing:
            done.warnings.append(
                f"the template could not be read ({examples.missing}); so what stands where it "
                "delivers files, outside of modules, was left alone"
            )
        note("asking what a database can do meanwhile")
        if not checks.is_there(root):
            done.warnings.append(
                "there is no .venv with the repository's own check, so nobody has looked for what "
                "the release before could not do meanwhile; `python -m checks.renaming "
                f"{old}`, before the rename, does"
            )
        done.doubts = checks.ask(root, old)
        if done.doubts and not (force or dry_run):
            raise checks.DoubtsError(old, done.doubts)
        written = moved.renamed(record, old, new, date.today())
        done.files.append(File(moved.FILE, moved.FILE, record.content, written))
        if not dry_run:
            message = f"Rename the module {old} to {new}"
            for each in {Path(was).parent for was in ours.keys() - edited.tree.keys()}:
                folders.clear(root / each)
            result = Result(head, prefix, ours, Merged(edited.tree), message)
            done.commit = land_files(root, result, {x.path: x.after for x in done.files})
            folders.clear(root / folder)
    return done


def finish(start: Path, old: str, *, dry_run: bool = False) -> Renamed:
    """Let the next `app migrate` take away what stands in for a module's old name.

    Args:
        start: a folder inside the repository.
        old: the name that it had.
        dry_run: write nothing into the repository.

    Raises:
        ScaffoldError: with nothing written.
    """
    git.need()
    root = repository.find_root(start)
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(plan.lock(root / repository.ANSWERS))
        head, prefix, ours = _committed(root, moved.FILE, dry_run)
        record = moved.read(_content(root, ours, moved.FILE))
        written = moved.finished(record, old, date.today())
        file = File(moved.FILE, moved.FILE, record.content, written)
        done = Renamed(root, old, record.open[old], [file])
        if not dry_run:
            message = f"Finish the rename of {old} to {done.new}"
            result = Result(head, prefix, ours, Merged(ours), message)
            done.commit = land_files(root, result, {moved.FILE: written})
    return done


def _check_names(root: Path, old: str, new: str) -> None:
    there = [each.name for each in repository.read_modules(root)]
    if old not in there:
        also = f"there are {', '.join(there)}" if there else "there is none"
        raise ScaffoldError(f"there is no module {old!a} to rename; {also}")
    if old == new:
        raise ScaffoldError(f"the module is called {new} already")
    if new in there:
        raise ScaffoldError(f"{root / repository.MODULES / new} is a module already; take another")
    names.check_lookalike(new, [each for each in there if each != old])


def _committed(root: Path, folder: str, dry_run: bool) -> tuple[str, str, Tree]:
    """The commit that is renamed in, with nothing beside it that could be lost."""
    head, prefix = ready.checked_out(root)
    ours = objects.tree_of(root, f"{head}:{prefix}")
    folders.check_committed(root, folder)
    is_there = any(path == folder or path.startswith(f"{folder}/") for path in ours)
    if not is_there and (root / folder).exists():
        raise ScaffoldError(f"{root / folder} is not in git; commit it, and try again")
    if not dry_run:
        ready.check_idle(root)
        git.need_identity(root)
        folders.check_clean(root)
    return head, prefix, ours


def _check_place(root: Path, new: str) -> None:
    """Refuse a place where something is that is no cache."""
    folder = f"{repository.MODULES.as_posix()}/{new}"
    for path in (root / folder, root / f"{folder}.py"):
        if path.is_symlink() or path.is_file():
            raise ScaffoldError(f"{path} is in the way; move it, or take another name")
    if (root / folder).is_dir():
        for path in sorted((root / folder).rglob("*")):
            where = path.relative_to(root).as_posix()
            if not path.is_dir() and not folders.is_cache(where):
                raise ScaffoldError(f"{path} is in the way; move it, or take another name")


def _content(root: Path, ours: Tree, path: str) -> bytes | None:
    return objects.read_blobs(root, [ours[path][1]])[0] if path in ours else None
