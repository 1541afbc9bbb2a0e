"""What a change of services writes to a repository: one commit, or nothing."""

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
    objects,
    plan,
    ready,
    repository,
)
from scaffold.carving import merged, records
from scaffold.carving.services import SERVICES, own_data, services_of
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


class Work:
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

    @property
    def has_own_data(self) -> bool:
        """Whether it is a service with a database of its own."""
        return own_data(self.services.get(self.name, {}))

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
            if not dry_run:
                folders.check_clean(root)
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

    def check_called(self, tree: Tree) -> None:
        """Refuse to move the data of what others may still use in their own processes."""
        for overlay in self._overlays(tree):
            settings = f"{overlay}/settings.env"
            records.check_called(self.read(tree, settings), settings, self.name)

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
