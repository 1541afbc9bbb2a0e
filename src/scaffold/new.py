"""Generate a repository."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffold import codeowners, git, interrupts, names, origin, repository
from scaffold.errors import ScaffoldError
from scaffold.rendering import render

_EXAMPLE = "shop"


@dataclass(frozen=True)
class Made:
    """A new repository: its folder, its template, how many files, and whether git has them."""

    folder: Path
    template: repository.Template
    files: int
    committed: bool


def new(
    target: Path,
    answers: Mapping[str, str],
    *,
    source: str | None = None,
    version: str | None = None,
    defaults: bool = False,
    example: bool = False,
    commit: bool = True,
    note: Callable[[str], None] = lambda _: None,
) -> Made:
    """Render the template and make a git repository of it, in one step or not at all.

    All is made in a hidden sibling `.<name>.scaffold-…`, renamed when it is complete. A run that
    was killed leaves nothing else, and its leftover may be deleted.

    Args:
        target: the folder to make; it may exist if it is empty.
        answers: by question, as text.
        source: path or URL of the template; none is the one that `scaffold` came with.
        version: tag, branch or commit of the template.
        defaults: do not ask, take the defaults for what `answers` leaves open.
        example: put the modules of the example shop in, instead of new ones.
        commit: make a git repository with a first commit.
        note: is told what takes long, before it does.

    Raises:
        ScaffoldError: with nothing written.
    """
    target = target.resolve()
    git.need()
    _check_target(target)
    _check_keys(answers)
    if example:
        if "modules" in answers:
            raise ScaffoldError("--example brings its own modules; leave out --data modules=…")
        answers = {**answers, "modules": "[]"}
    if not defaults and not sys.stdin.isatty():
        raise ScaffoldError(
            "there is no terminal to ask questions on; pass --defaults, and --data for what "
            "should differ"
        )
    if commit:
        git.need_identity()
    template = origin.find(source, version)

    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.scaffold-", dir=target.parent))
    try:
        made = aside / target.name
        note(f"rendering {template.source}")
        if example:
            _render_example(template, aside / "example")
        render(
            template.source,
            template.version,
            made,
            answers,
            suggestions={"project_name": target.name} if names.is_project(target.name) else {},
            ask=not defaults,
        )
        recorded = _check_made(made, template, answers)
        if example:
            _put_in(aside / "example", made)
        files = sum(path.is_file() for path in made.rglob("*"))
        if commit:
            note("making the first commit")
            git.first_commit(made, f"Start {target.name} from its template {recorded.version}")
        interrupts.ignore()
        if target.exists():
            target.rmdir()  # refuses a folder that is no longer empty
        made.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Made(target, recorded, files, commit)


def _check_target(target: Path) -> None:
    if not target.parent.is_dir():
        raise ScaffoldError(f"there is no folder {target.parent}; make it first")
    if not target.exists():
        return
    if not target.is_dir():
        raise ScaffoldError(f"{target} is a file; name a folder that is new or empty")
    if any(target.iterdir()):
        raise ScaffoldError(f"{target} is not empty; name a folder that is new or empty")
    if Path.cwd().is_relative_to(target):
        raise ScaffoldError(
            f"{target} is the folder you are in, and would be replaced; go to its parent and run "
            f"`scaffold new {target.name}`"
        )


def _check_keys(answers: Mapping[str, str]) -> None:
    for key in answers:
        if not key.isidentifier() or key.startswith("_") or key in ("module", "example"):
            raise ScaffoldError(f"--data {key!a}: the template has no such question")


def _check_made(
    made: Path, template: origin.Origin, answers: Mapping[str, str]
) -> repository.Template:
    """Check what only the rendered result shows, before anybody sees it."""
    where = f"the template {template.source}"
    if not (made / repository.ANSWERS).is_file() or not (made / repository.MODULES).is_dir():
        raise ScaffoldError(
            f"{where} does not make a repository for scaffold; name another with --from, or "
            "another version with --ref"
        )
    recorded = repository.read_template(made / repository.ANSWERS)
    source = Path(template.source)
    if source.is_dir() and not git.has_commit(source, recorded.version):
        raise ScaffoldError(
            f"{where} has uncommitted changes; commit them, or pass --ref with a version to use"
        )
    unknown = [key for key in answers if key not in recorded.answers]
    if unknown:
        raise ScaffoldError(
            f"--data {unknown[0]}: {where} has no such question; it has "
            f"{', '.join(recorded.answers)}"
        )
    _check_modules(made, recorded.answers.get("modules"))
    return recorded


def _render_example(template: origin.Origin, folder: Path) -> None:
    """Render the modules of the example, and nothing else."""
    try:
        render(template.source, template.version, folder, {"example": _EXAMPLE})
        known = not (folder / repository.ANSWERS).exists()  # else it was rendered as a whole
    except FileNotFoundError:
        known = False
    if not known:
        version = template.version or "its newest release"
        raise ScaffoldError(
            f"the template {template.source} has no example at {version}; "
            "take a version that has one"
        )


def _put_in(example: Path, made: Path) -> None:
    """Move the modules of the example to their place, and give each its line in CODEOWNERS."""
    for path in example.iterdir():
        path.rename(made / repository.MODULES / path.name)
    file = codeowners.find(made)
    for module in repository.read_modules(made):
        folder = f"{repository.MODULES.as_posix()}/{module.name}"
        owned = codeowners.with_line(file.read_bytes(), folder, module.owner, file)
        file.write_bytes(owned)


def _check_modules(made: Path, modules: Any) -> None:
    """Hold the first modules to the same rules as later ones."""
    for name in modules if isinstance(modules, list) else []:
        names.check_module(name)
        names.check_lookalike(name, modules)
        entity = repository.read_module(made / repository.MODULES / name).entity
        if entity:
            names.check_entity(entity, name)
