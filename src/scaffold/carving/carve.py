"""Carve a module: make it a deployment of its own, or take that back, in one commit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from scaffold import (
    add_module,
    codeowners,
    folders,
    git,
    merging,
    moved,
    objects,
    plan,
    ready,
    repository,
)
from scaffold.carving import merged, records
from scaffold.carving.services import FIRST, SERVICES, services_of
from scaffold.errors import ScaffoldError
from scaffold.landing import Result, land
from scaffold.merging import Merged
from scaffold.objects import Tree


@dataclass
class Carved:
    """A module that became a service, or is none any more.

    Attributes:
        root: of the repository.
        module: its name.
        services: what there are then, by name, each with what it needs and its port.
        changes: every file written.
        gone: files that are no longer there.
        overlays: of the team's own that have to take the services yet.
        left: files that the team has deleted, and that would have changed.
        product: what the repository is called.
        deploy: the answer to where it runs.
        commit: of it all; none where nothing was written.
    """

    root: Path
    module: str
    services: dict[str, Any]
    product: str
    deploy: str
    changes: list[plan.Change] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    overlays: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    commit: str | None = None

    @property
    def login(self) -> str:
        """Of the database, that the rest of the application has."""
        return self.product.replace("-", "_")[:16]

    @property
    def host(self) -> str:
        """What its pods and containers are called by."""
        return self.module.replace("_", "-")


def check(start: Path, name: str) -> list[str]:
    """Refuse a module that is not there, or carved already; return which others are."""
    work = _Work(start, name, None, lambda _: None)
    if name in work.services:
        raise ScaffoldError(
            f"{name} is a service already; `scaffold carve {name} --undo` takes it back"
        )
    if "service" in repository.read_settings(work.folder):
        raise ScaffoldError(f"{work.toml} has [service], and nothing serves it; take that out")
    file = work.root / moved.FILE
    renames = moved.read(file.read_bytes() if file.is_file() else None).open
    for before in (old for old, new in renames.items() if new == name):
        raise ScaffoldError(
            f"{name} was {before}, and that name's routes would not be found in another process; "
            f"finish it first: `scaffold rename-module --finish {before}`"
        )
    return list(work.services)


def carve(
    start: Path,
    name: str,
    because: str,
    *,
    source: str | None = None,
    dry_run: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Carved:
    """Write what a module needs to be a deployment of its own.

    Args:
        start: a folder inside the repository.
        name: of the module.
        because: the reason, of those that `scaffold decide` knows.
        source: path or URL to read the template from; none finds it.
        dry_run: write nothing.
        note: is told what takes long, before it does.

    Raises:
        ScaffoldError: with nothing written.
    """
    check(start, name)
    work = _Work(start, name, source, note)
    needs = sorted(repository.read_module(work.folder).depends_on)
    after = work.services | {name: {"needs": needs, "port": _free(work.services)}}

    def edit(tree: Tree, done: Carved) -> dict[str, bytes]:
        toml = work.read(tree, work.toml)
        edited = {work.toml: records.with_reason(toml, because)}
        edited |= work.typed(tree, "module", "service")
        if any(path.startswith(f"{work.place}/") for path in tree):
            owner = repository.read_module(work.folder).owner
            file, before = work.owners()
            if before and owner:
                edited[file] = codeowners.with_line(before, work.place, owner, work.root / file)
        if not work.services:
            edited |= work.paused(tree, done)
        return edited

    return work.do(after, f"Carve {name}: a deployment of its own", edit, dry_run)


def undo(
    start: Path,
    name: str,
    *,
    source: str | None = None,
    dry_run: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Carved:
    """Take out what carving a module has written, and nothing else.

    Args:
        start: a folder inside the repository.
        name: of the module.
        source: path or URL to read the template from; none finds it.
        dry_run: write nothing.
        note: is told what takes long, before it does.

    Raises:
        ScaffoldError: with nothing written, as where the team has edited it since.
    """
    work = _Work(start, name, source, note)
    if name not in work.services:
        raise ScaffoldError(f"{name} is no service; there is nothing to undo")
    after = {key: value for key, value in work.services.items() if key != name}

    def edit(tree: Tree, done: Carved) -> dict[str, bytes]:
        edited = {work.toml: records.without_reason(work.read(tree, work.toml), work.toml)}
        edited |= work.typed(tree, "service", "module")
        file, before = work.owners()
        if before:
            edited[file] = codeowners.without(before, work.place, work.root / file)
        if not after:
            edited |= work.resumed(tree)
        else:
            work.check_not_called(tree)
        return edited

    return work.do(after, f"Take {name} back: no deployment of its own", edit, dry_run)


class _Work:
    """One change to one repository."""

    def __init__(
        self, start: Path, name: str, source: str | None, note: Callable[[str], None]
    ) -> None:
        git.need()
        self.root, self.name = repository.find_root(start), name
        self._source, self._note = source, note
        _check_there(self.root, name)
        self.folder = self.root / repository.MODULES / name
        self.toml = f"{repository.MODULES.as_posix()}/{name}/module.toml"
        self.place = f"deploy/{SERVICES}/{name}"
        self._recorded = repository.read_template(self.root / repository.ANSWERS)
        self.services = services_of(self._recorded.answers)

    def do(
        self,
        after: Mapping[str, Any],
        message: str,
        edit: Callable[[Tree, Carved], dict[str, bytes]],
        dry_run: bool,
    ) -> Carved:
        """Merge, edit, and commit all of it, or nothing."""
        root, answers = self.root, self._recorded.answers
        done = Carved(
            root,
            self.name,
            dict(sorted(after.items())),  # As they are recorded, and rendered the next time.
            str(answers.get("project_name", "app")),
            str(answers.get("deploy", "none")),
        )
        with plan.lock(root / repository.ANSWERS):
            head, prefix = ready.checked_out(root)
            folders.check_clean(root)
            if not dry_run:
                ready.check_idle(root)
                git.need_identity(root)
            ours = objects.tree_of(root, f"{head}:{prefix}")
            self._note("rendering with it and without")
            sides = self.services, done.services
            both = merged.render(self._recorded, self._source, sides, self._note)
            attributes = root / ".gitattributes"
            team = attributes.read_bytes() if attributes.is_file() else b""
            with merging.scratch(root, ours, team) as scratch:
                self._scratch = scratch.folder
                found = merged.merge(scratch, both, ours, f"carving {self.name}")
                done.left = found.stays_deleted
                files = dict(found.merged.files)
                edited = edit(files, done)
                before = self.read(ours, repository.ANSWERS)
                edited[repository.ANSWERS] = records.with_answer(before, after)
                blobs = objects.write_blobs(scratch.folder, list(edited.values()))
                for path, blob in zip(edited, blobs, strict=True):
                    files[path] = files.get(path, ("100644", ""))[0], blob
                self._tell(done, ours, files)
                if not dry_run:
                    result = Result(head, prefix, ours, Merged(files), message)
                    done.commit = land(scratch, root, result, None)
                    for gone in {(root / path).parent for path in done.gone}:
                        folders.clear(gone)
        return done

    def read(self, tree: Tree, path: str) -> bytes:
        """What a file holds then, or nothing."""
        if path not in tree:
            return b""
        return objects.read_blobs(self._scratch, [tree[path][1]])[0]

    def owners(self) -> tuple[str, bytes]:
        """CODEOWNERS, and what stands in it; nothing where it is a link to another repository's."""
        file = codeowners.find(self.root)
        if not file.is_file() or not file.is_relative_to(self.root):
            return "", b""
        return file.relative_to(self.root).as_posix(), file.read_bytes()

    def typed(self, tree: Tree, old: str, new: str) -> dict[str, bytes]:
        """The module's entity in Backstage, of another type."""
        path = f"{repository.MODULES.as_posix()}/{self.name}/catalog-info.yaml"
        return {path: records.with_type(self.read(tree, path), old, new)} if path in tree else {}

    def paused(self, tree: Tree, done: Carved) -> dict[str, bytes]:
        """Overlays, with services that run beside and are not called yet."""
        edited, base = {}, self.read(tree, "deploy/base/settings.env")
        for overlay in self._overlays(tree):
            path = f"{overlay}/kustomization.yaml"
            after = records.with_services(self.read(tree, path))
            settings = f"{overlay}/settings.env"
            if after is None or settings not in tree:
                done.overlays.append(overlay)
                continue
            edited[path] = after
            edited[settings] = records.with_pause(self.read(tree, settings), base)
        return edited

    def resumed(self, tree: Tree) -> dict[str, bytes]:
        """Overlays, without services."""
        edited = {}
        for overlay in self._overlays(tree):
            path, settings = f"{overlay}/kustomization.yaml", f"{overlay}/settings.env"
            edited[path] = records.without_services(self.read(tree, path))
            if settings in tree:
                edited[settings] = records.without_pause(self.read(tree, settings), settings)
        return edited

    def check_not_called(self, tree: Tree) -> None:
        """Refuse to take away what an overlay still names, beside others."""
        for overlay in self._overlays(tree):
            settings = f"{overlay}/settings.env"
            records.check_not_called(self.read(tree, settings), settings, self.name)

    def _overlays(self, tree: Tree) -> list[str]:
        names = (path.split("/") for path in tree if path.startswith("deploy/overlays/"))
        return sorted({"/".join(each[:3]) for each in names if each[3:] == ["kustomization.yaml"]})

    def _tell(self, done: Carved, ours: Tree, files: Tree) -> None:
        for path in sorted(path for path in files if files[path] != ours.get(path)):
            before = self.read(ours, path) if path in ours else None
            done.changes.append(plan.Change(path, before, self.read(files, path)))
        done.gone = sorted(ours.keys() - files.keys())
        add_module.check_seen(self.root, [each for each in done.changes if each.before is None])


def _check_there(root: Path, name: str) -> None:
    there = [each.name for each in repository.read_modules(root)]
    if name in there:
        return
    near = get_close_matches(name, there, n=1)
    also = f"did you mean {near[0]}?" if near else f"there are {', '.join(there) or 'none'}"
    raise ScaffoldError(f"there is no module {name!a} in {root / repository.MODULES}; {also}")


def _free(services: Mapping[str, Any]) -> int:
    taken = {about.get("port") for about in services.values()}
    return next(port for port in range(FIRST, FIRST + len(taken) + 1) if port not in taken)
