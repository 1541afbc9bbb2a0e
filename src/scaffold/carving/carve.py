"""Carve a module: make it a deployment of its own, or take that back, in one commit."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scaffold import codeowners, moved, repository
from scaffold.carving import records
from scaffold.carving.services import FIRST
from scaffold.carving.work import Carved, Work
from scaffold.errors import ScaffoldError
from scaffold.objects import Tree


def check(start: Path, name: str) -> list[str]:
    """Refuse a module that is not there, or carved already; return which others are."""
    work = Work(start, name, None, lambda _: None)
    if name in work.services:
        raise ScaffoldError(f"{name} is a service already; `scaffold uncarve {name}` takes it back")
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
    work = Work(start, name, source, note)
    after = work.services | {name: {"needs": _needs(work), "port": _free(work.services)}}

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


def calls_others(start: Path, name: str) -> bool:
    """Whether a module is a service, and calls other modules than when it was carved."""
    work = Work(start, name, None, lambda _: None)
    about = work.services.get(name)
    return about is not None and sorted(about["needs"]) != _needs(work)


def carve_again(
    start: Path,
    name: str,
    *,
    source: str | None = None,
    dry_run: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Carved:
    """Let a service know where the modules are that it calls by now.

    Args:
        start: a folder inside the repository.
        name: of the module.
        source: path or URL to read the template from; none finds it.
        dry_run: write nothing.
        note: is told what takes long, before it does.

    Raises:
        ScaffoldError: with nothing written.
    """
    work = Work(start, name, source, note)
    needs = _needs(work)
    message = f"Carve {name} again: it calls {', '.join(needs) or 'nobody'}"
    about = {**work.services[name], "needs": needs}
    return work.do(work.services | {name: about}, message, lambda *_: {}, dry_run)


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
    work = Work(start, name, source, note)
    if work.has_own_data:
        raise ScaffoldError(
            f"{name} has a database of its own, and its data may be there; "
            f"`scaffold uncarve {name}` brings both home"
        )
    return take_back(work, f"Take {name} back: no deployment of its own", dry_run)


def take_back(work: Work, message: str, dry_run: bool) -> Carved:
    """Take out all that carving a module has written, in one commit.

    Raises:
        ScaffoldError: with nothing written.
    """
    name = work.name
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

    return work.do(after, message, edit, dry_run)


def _needs(work: Work) -> list[str]:
    return sorted(repository.read_module(work.folder).depends_on)


def _free(services: Mapping[str, Any]) -> int:
    taken = {about.get("port") for about in services.values()}
    return next(port for port in range(FIRST, FIRST + len(taken) + 1) if port not in taken)
