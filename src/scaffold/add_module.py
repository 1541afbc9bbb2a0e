"""Add one module to a generated repository: a folder, and its line in CODEOWNERS."""

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from scaffold import codeowners, fields, git, moved, names, origin, plan, repository
from scaffold.errors import ScaffoldError
from scaffold.fields import Entity

ASIDE = ".scaffold.tmp"
_NEEDED = ("__init__.py", "module.toml", "wiring.py", repository.MODULE_ANSWERS)
_PLACEHOLDER = "item"


@dataclass(frozen=True)
class Added:
    """A module that was added, or would be.

    Attributes:
        root: of the repository.
        folder: of the module, relative to the root.
        owner: of the module.
        changes: every file written.
        wired: the signature of its `build`, as rendered.
        template: where it came from, at which version.
    """

    root: Path
    folder: str
    owner: str
    changes: list[plan.Change]
    wired: str
    template: repository.Template


def add_module(
    start: Path,
    name: str,
    *,
    entity: str | None = None,
    plural: str | None = None,
    fields_of: str | None = None,
    bare: bool = False,
    depends_on: Iterable[str] = (),
    owner: str | None = None,
    source: str | None = None,
    dry_run: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Added:
    """Render the skeleton at the repository's own template version, and put it in its place.

    Other uncommitted changes are left alone and do not matter: what is written is one folder that
    was not there, and one line of CODEOWNERS. Only a CODEOWNERS or an answers file in a merge
    conflict is refused.

    Args:
        start: a folder inside the repository.
        name: of the module.
        entity: what it keeps, in the singular; none takes the template's default.
        plural: of the entity; none takes what the template makes of it.
        fields_of: the entity's fields, as `fields.parse` reads them; none takes the template's own
            entity, which has a name, and a job.
        bare: whether it keeps nothing yet.
        depends_on: names of the modules whose interfaces it gets.
        owner: `@organisation/team`; none takes the repository's.
        source: path or URL to read the template from; none finds it. It is not recorded.
        dry_run: write nothing into the repository.
        note: is told what takes long, or was not found where it was recorded.

    Raises:
        ScaffoldError: with nothing written.
    """
    names.check_module(name)
    if bare and (entity, plural, fields_of) != (None, None, None):
        raise ScaffoldError(
            "a bare module keeps nothing yet; leave out --bare, or --entity, --plural and --fields"
        )
    kept = None
    if fields_of is not None:
        kept = Entity(entity or _PLACEHOLDER, plural, fields.parse(fields_of))
    elif entity is not None:
        names.check_entity(entity, name)
    if plural is not None:
        names.check_plural(plural, entity or _PLACEHOLDER)
    if owner is not None:
        names.check_owner(owner)
    git.need()
    root = repository.find_root(start)
    given = (
        {"owner": owner} if bare or kept else {"entity": entity, "entities": plural, "owner": owner}
    )
    wanted = _Wanted(
        root,
        name,
        {key: value for key, value in given.items() if value is not None},
        bare or kept is not None,
        kept,
        list(dict.fromkeys(depends_on)),
        source,
        note,
    )
    if dry_run:
        with TemporaryDirectory(prefix="scaffold-") as aside:
            return _stage(Path(aside) / name, wanted)
    with (
        plan.lock(root / repository.ANSWERS),
        plan.working_folder(root / ASIDE) as folder,
    ):
        staged = folder / name
        added = _stage(staged, wanted)
        owners = added.changes[-1]
        plan.apply(staged, root / added.folder, root / owners.path, owners.after)
    return added


@dataclass(frozen=True)
class _Wanted:
    root: Path
    name: str
    answers: dict[str, str]
    bare: bool
    kept: Entity | None
    depends_on: list[str]
    source: str | None
    note: Callable[[str], None]


def _stage(staged: Path, wanted: _Wanted) -> Added:
    """Check everything, render into `staged`, and say what that changes."""
    root, name = wanted.root, wanted.name
    check_not_picking(root)
    recorded = repository.read_template(root / repository.ANSWERS)
    _check_free(root, name)
    interfaces = _interfaces(root, name, wanted.depends_on)
    owner = wanted.answers.get("owner") or str(recorded.answers.get("owner", ""))
    names.check_owner(owner)
    folder = f"{repository.MODULES.as_posix()}/{name}"
    owners = _own(root, folder, owner)
    template = origin.recall(recorded.source, recorded.version, wanted.source, wanted.note)

    answers = {k: v for k, v in recorded.answers.items() if k != "modules"}
    answers |= {"module": name, "depends_on": interfaces, **wanted.answers, "owner": owner}
    answers |= {"bare": True} if wanted.bare else {"rooted": True}
    from scaffold.history import render_module  # Jinja: only where something is rendered.

    render_module(template, answers, staged)
    if not all((staged / file).is_file() for file in _NEEDED):
        raise ScaffoldError(
            f"the template {template.source} at {template.version} has no module skeleton; "
            "update the repository to a version that has one"
        )
    rendered = repository.read_template(staged / repository.MODULE_ANSWERS)
    if wanted.bare:
        _check_bare(rendered)
    else:
        names.check_entity(str(rendered.answers.get("entity")), name, interfaces.values())
    if wanted.kept:
        from scaffold.entity import add as add_entity  # Only where there is one to add.

        for change in add_entity(root, staged, name, wanted.kept, template, answers):
            file = staged / change.path
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(change.after)
    plural = wanted.answers.get("entities")
    if plural not in (None, rendered.answers.get("entities")):
        raise ScaffoldError(
            f"the template at {template.version} forms plurals itself; leave out --plural, or "
            "update the repository first"
        )
    files = sorted(path for path in staged.rglob("*") if path.is_file())
    changes = [
        plan.Change(f"{folder}/{path.relative_to(staged).as_posix()}", None, path.read_bytes())
        for path in files
    ]
    check_seen(root, [*changes, owners])
    return Added(root, folder, owner, [*changes, owners], _signature(staged), rendered)


def _check_bare(rendered: repository.Template) -> None:
    """Refuse a template that has made a module of its own of it."""
    if not rendered.answers.get("bare"):
        raise ScaffoldError(
            f"the template at {rendered.version} knows neither bare modules nor fields; update the "
            "repository first (scaffold update)"
        )


def check_seen(root: Path, changes: list[plan.Change]) -> None:
    """Refuse a module, or a part of one, that git would leave out: nobody else would have it."""
    hidden = git.ignored(root, [repository.ANSWERS, *(change.path for change in changes)])
    if hidden and hidden[0][0] != repository.ANSWERS:  # else the repository as a whole is not kept
        path, rule = hidden[0]
        raise ScaffoldError(
            f"git ignores {path} by the rule {rule}, so that nobody else would get it; narrow the "
            "rule, or take another name"
        )


def check_not_picking(root: Path) -> None:
    """Refuse to add to what is in a conflict."""
    if git.is_picking(root):
        raise ScaffoldError(
            f"an update, or a cherry-pick, is in conflict in {root}; end it first (git status), or "
            "what is added would not fit when it is taken back"
        )


def _check_free(root: Path, name: str) -> None:
    """Refuse a name that is taken, or nearly."""
    taken = repository.module_names(root)
    if name in taken:
        raise ScaffoldError(
            f"{root / repository.MODULES / name} exists already; take another name, or remove it "
            "first if it is a leftover"
        )
    names.check_lookalike(name, taken)
    file = root / moved.FILE
    moved.check_free(moved.read(file.read_bytes() if file.is_file() else None), name)


def _interfaces(root: Path, name: str, depends_on: list[str]) -> dict[str, str]:
    """The class name of each dependency's interface, by the dependency's name."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for dependency in depends_on:
        if dependency == name:
            raise ScaffoldError(f"{name!r} cannot depend on itself; leave it out of --depends-on")
        folder = root / repository.MODULES / dependency
        if dependency not in repository.module_names(root):
            raise ScaffoldError(
                f"there is no module {dependency!a} to depend on; `scaffold modules` lists those "
                "that exist"
            )
        _check_acyclic(root, [name, dependency], seen)
        interface = repository.interface(folder)
        if interface in (names.class_name(name), *found.values()):
            raise ScaffoldError(
                f"the interface {interface} of {dependency!r} has a namesake in what {name!r} "
                "would import; rename one of them first"
            )
        found[dependency] = interface
    return found


def _check_acyclic(root: Path, path: list[str], seen: set[str]) -> None:
    """Refuse a dependency that, perhaps through others, names the new module already.

    Only what the dependency reaches is read, and each module once.
    """
    folder = root / repository.MODULES / path[-1]
    if path[-1] in seen or not folder.is_dir():
        return
    seen.add(path[-1])
    for dependency in repository.read_settings(folder)["depends_on"]:
        if dependency == path[0]:
            raise ScaffoldError(
                f"that would be a cycle: {' -> '.join([*path, dependency])}; take {dependency!r} "
                f"out of depends_on in {folder / 'module.toml'}, or do without --depends-on"
            )
        _check_acyclic(root, [*path, dependency], seen)


def _own(root: Path, folder: str, owner: str) -> plan.Change:
    """The change to CODEOWNERS, which may be none."""
    file = codeowners.find(root)
    before = file.read_bytes() if file.exists() else None
    after = codeowners.with_line(before or b"", folder, owner, file)
    return plan.Change(file.relative_to(root).as_posix(), before, after)


def _signature(folder: Path) -> str:
    """What the new module is wired to, as its `build` says it."""
    build = repository.build(folder)
    returns = f" -> {ast.unparse(build.returns)}" if build.returns else ""
    return f"build({ast.unparse(build.args)}){returns}"
