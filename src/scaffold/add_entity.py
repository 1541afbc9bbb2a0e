"""Add an entity to a module: files of its own, and lines in those that are there."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scaffold import fields, git, names, origin, plan, repository
from scaffold.add_module import ASIDE, check_not_picking, check_seen
from scaffold.entity import add
from scaffold.errors import ScaffoldError
from scaffold.fields import Entity

_FIELDS = "name:text"


@dataclass(frozen=True)
class Added:
    """An entity that was added, or would be.

    Attributes:
        folder: of the module, relative to the root.
        changes: every file written, relative to the root.
        template: where it came from, at which version.
    """

    folder: str
    changes: list[plan.Change]
    template: repository.Template


def add_entity(
    start: Path,
    module: str,
    name: str,
    *,
    fields_of: str | None = None,
    plural: str | None = None,
    source: str | None = None,
    dry_run: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Added:
    """Render an entity at the repository's own template version, and put it into a module.

    What stands in the module stays as it is; uncommitted changes do not matter.

    Args:
        start: a folder inside the repository.
        module: the name of a module.
        name: of the entity, in the singular.
        fields_of: its fields, as `fields.parse` reads them; none gives it a name.
        plural: several of them; none takes what the template makes of it.
        source: path or URL to read the template from; none finds it.
        dry_run: write nothing into the repository.
        note: is told what takes long, or was not found where it was recorded.

    Raises:
        ScaffoldError: with nothing written. A `ByHandError` says which lines would be needed.
    """
    entity = Entity(name, plural, fields.parse(_FIELDS if fields_of is None else fields_of))
    names.check_shape("entity", name, names.LONGEST["entity"])
    if plural is not None:
        names.check_plural(plural, name)
    git.need()
    root = repository.find_root(start)
    if dry_run:
        return _planned(root, module, entity, source, note)
    with (
        plan.lock(root / repository.ANSWERS),
        plan.working_folder(root / ASIDE) as working,
    ):
        added = _planned(root, module, entity, source, note)
        plan.apply_changes(root, working, added.changes)
    return added


def _planned(
    root: Path, module: str, entity: Entity, source: str | None, note: Callable[[str], None]
) -> Added:
    check_not_picking(root)
    if module not in repository.module_names(root):
        raise ScaffoldError(
            f"there is no module {module!a} to add to; `scaffold modules` lists those that exist, "
            "and `scaffold add-module` makes one"
        )
    recorded = repository.read_template(root / repository.ANSWERS)
    found = origin.recall(recorded.source, recorded.version, source, note)
    folder = f"{repository.MODULES.as_posix()}/{module}"
    answers = {key: value for key, value in recorded.answers.items() if key != "modules"}
    made = add(root, root / folder, module, entity, found, {**answers, "depends_on": {}})
    changes = [plan.Change(f"{folder}/{x.path}", x.before, x.after) for x in made]
    check_seen(root, [change for change in changes if change.before is None])
    return Added(folder, changes, recorded)
