"""Remove a module from a repository: its folder, and what is derived from it, in one commit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from scaffold import codeowners, folders, git, moved, objects, plan, ready, repository
from scaffold.carving.services import check_together
from scaffold.contents import Contents, Place, read
from scaffold.errors import ScaffoldError
from scaffold.landing import Result, land_files
from scaffold.merging import Merged
from scaffold.objects import Tree
from scaffold.removing import belongings, counts, dependents, mentions, records
from scaffold.removing.belongings import Belongings
from scaffold.removing.counts import Counts


class NeededError(ScaffoldError):
    """Others depend on the module.

    Attributes:
        dependents: the lines that do.
    """

    def __init__(self, name: str, found: list[Place]) -> None:
        who = ", ".join(sorted({_whose(place.file) for place in found}))
        super().__init__(
            f"{name} is needed by {who}: take out what stands below, commit it, and try again"
        )
        self.dependents = found
        self.lines = "".join(f"  {place}\n" for place in found)


@dataclass
class Removal:
    """A module that can be removed, and all that is known of it.

    Attributes:
        root: of the repository.
        name: of the module.
        head: the commit that was looked at.
        prefix: the folder of it that is the repository.
        has: what goes with it.
        counts: what a live database has of it.
        owners: the lines of CODEOWNERS that go, as places.
        left: lines that name it, which are left to the team.
        edited: files that change, with their new content, but for what becomes of the data.
        commit: that removed it; none where nothing was written.
    """

    root: Path
    name: str
    head: str
    prefix: str
    has: Belongings
    counts: Counts = field(default_factory=Counts)
    owners: list[Place] = field(default_factory=list)
    left: list[Place] = field(default_factory=list)
    edited: dict[str, bytes] = field(default_factory=dict)
    commit: str | None = None

    @property
    def folder(self) -> str:
        """Where it is, relative to the root."""
        return f"{repository.MODULES.as_posix()}/{self.name}"


def look(
    start: Path, name: str, note: Callable[[str], None] = lambda _: None, *, dry_run: bool = False
) -> Removal:
    """Find out what removing a module would take, and whether anything is in the way.

    Args:
        start: a folder inside the repository.
        name: of the module.
        note: is told what takes long, before it does.
        dry_run: nothing will be written, so that other changes do not matter.

    Raises:
        NeededError: where others depend on it.
        ScaffoldError: where it is not there, or not as it is committed.
    """
    git.need()
    root = repository.find_root(start)
    _check_there(root, name)
    check_together(root, name, "remove")
    found = Removal(root, name, *ready.checked_out(root), Belongings())
    folders.check_committed(root, found.folder)
    if not dry_run:
        folders.check_clean(root)
    contents = read(root)
    moved.read(contents.get(moved.FILE))  # It will get a line.
    found.has = belongings.find(name, contents)
    if needed := dependents.find(name, contents, found.has.tables):
        raise NeededError(name, needed)
    _edit(found, contents)
    note("looking for its name elsewhere")
    recorded = repository.read_template(root / repository.ANSWERS)
    passed = {*found.edited, moved.FILE, repository.ANSWERS}
    found.left = mentions.find(name, contents, mentions.pristine(recorded, name), passed)
    note("asking the database")
    found.counts = counts.ask(root, name)
    return found


def remove(found: Removal, data: str) -> Removal:
    """Remove a module that was looked at, in a commit on top of the one that was looked at.

    Whatever becomes of this process, the repository is as it was before, or as it is afterwards.

    Args:
        found: what `look` has found.
        data: what `app migrate` makes of its tables: "drop" or "archive".

    Raises:
        ScaffoldError: with nothing written.
    """
    root = found.root
    with plan.lock(root / repository.ANSWERS):
        ready.check_idle(root)
        git.need_identity(root)
        if git.head(root) != found.head:
            raise ScaffoldError(f"somebody has just committed in {root}; look again, and try again")
        folders.check_committed(root, found.folder)
        folders.check_clean(root)
        ours = objects.tree_of(root, f"{found.head}:{found.prefix}")
        edited = {**found.edited, moved.FILE: _moved(found, ours, data)}
        after: Tree = {
            path: entry for path, entry in ours.items() if not path.startswith(f"{found.folder}/")
        }
        folders.clear(root / found.folder)
        message = f"Remove the module {found.name}"
        result = Result(found.head, found.prefix, ours, Merged(after), message)
        found.commit = land_files(root, result, edited)
        folders.clear(root / found.folder)  # Whatever ran meanwhile has made some.
    return found


def _check_there(root: Path, name: str) -> None:
    folder = root / repository.MODULES / name
    there = [each.name for each in repository.read_modules(root)]
    if name not in there:
        also = f": there are {', '.join(there)}" if there else "; there is none"
        raise ScaffoldError(f"there is no module {name!a} in {folder.parent}{also}")


def _edit(found: Removal, contents: Contents) -> None:
    """Say which files change, and into what."""
    root = found.root
    file = codeowners.find(root)
    path = file.relative_to(root).as_posix()
    if (before := contents.get(path)) is not None:
        lines = before.decode(errors="replace").splitlines()
        numbers = codeowners.lines_of(before, found.folder)
        found.owners = [Place(path, number, lines[number - 1]) for number in numbers]
        found.edited[path] = codeowners.without(before, found.folder, file)
    before = contents[repository.ANSWERS]
    found.edited[repository.ANSWERS] = records.answers(before, found.name)
    found.edited |= records.dependencies(contents, found.name)
    found.edited = {path: after for path, after in found.edited.items() if after != contents[path]}


def _moved(found: Removal, ours: Tree, data: str) -> bytes:
    entry = ours.get(moved.FILE)
    before = objects.read_blobs(found.root, [entry[1]])[0] if entry else None
    return moved.removed(moved.read(before), found.name, data, date.today())


def _whose(path: str) -> str:
    parts = path.split("/")
    of_module = path.startswith(f"{repository.MODULES.as_posix()}/") and len(parts) > 4
    return parts[3] if of_module else path
