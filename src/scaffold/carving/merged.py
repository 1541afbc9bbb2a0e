"""What the template writes for services, merged into a repository at the version that it has."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scaffold import origin, repository
from scaffold.carving.services import SERVICES, own_data
from scaffold.errors import ScaffoldError
from scaffold.history import by_copier
from scaffold.merging import Scratch
from scaffold.objects import Tree
from scaffold.questions import UnknownFeatureError
from scaffold.reader import Files, TemplateVersion
from scaffold.reconcile import Reconciled, reconcile
from scaffold.rendered import Both

_FOREIGN = (f"{repository.MODULES.as_posix()}/", repository.ANSWERS)
"""What is not the app's own, or is written with care for what stands there."""
_OWN = "own_data"
"""The question that a template has if it knows of them."""


def render(
    template: repository.Template,
    source: str | None,
    services: Sequence[Mapping[str, Any]],
    note: Callable[[str], None],
) -> Both:
    """Render a repository with one and with other services: only files that differ.

    Raises:
        ScaffoldError: where the version that it has knows of no services.
    """
    found = origin.recall(template.source, template.version, source, note)
    version = TemplateVersion(Path(found.place), found.revision)
    sides: list[Files] = []
    for each in services:
        answers = {k: v for k, v in template.answers.items() if k != SERVICES}
        answers |= {SERVICES: dict(each)} if each else {}
        try:
            made = version.render(found.source, found.version, recorded=answers, check=False)
        except UnknownFeatureError:
            made = by_copier(found, answers)
        if SERVICES not in made.answers.values and not made.answers.defaults.get(SERVICES):
            raise ScaffoldError(
                f"the template at {template.version} knows no services; update the repository "
                "first (scaffold update)"
            )
        if any(map(own_data, each.values())) and _OWN not in made.answers.values:
            raise ScaffoldError(
                f"the template at {template.version} knows no services with a database of their "
                "own; update the repository first (scaffold update)"
            )
        sides.append({p: f for p, f in made.files.items() if not p.startswith(_FOREIGN)})
    base, theirs = sides
    return Both(
        template.version,
        template.version,
        {path: file for path, file in base.items() if theirs.get(path) != file},
        {path: file for path, file in theirs.items() if base.get(path) != file},
    )


def merge(scratch: Scratch, both: Both, ours: Tree, what: str) -> Reconciled:
    """Merge the difference into a repository.

    Args:
        scratch: where it is done.
        both: what differs.
        ours: the files of the repository.
        what: is done, for the refusal.

    Raises:
        ScaffoldError: where the team has edited what would be written or taken out.
    """
    found = reconcile(scratch, both, ours)
    if edited := sorted({*found.kept, *(each.path for each in found.conflicts)}):
        raise ScaffoldError(
            f"{what} would write over your edits in {', '.join(edited)}; take these edits back, "
            "or delete the file if it goes anyway, commit that, try again, and make them anew"
        )
    if there := sorted((both.theirs.keys() - both.base.keys()) & ours.keys()):
        raise ScaffoldError(f"{', '.join(there)} is in the way; move it elsewhere, and commit that")
    return found
