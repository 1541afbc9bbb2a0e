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


_RENAMED = (
    "{folder} is no name for a product, so this one is called {name}; make it again with "
    "--data project_name=… to name it otherwise"
)
_OUTER = (
    "{folder} is inside the repository {outer}, so that no repository was made of it (--git makes "
    "one). Forges read the pipeline, CODEOWNERS and renovate.json only at the top of a repository: "
    "move them there and mend their paths, or give {name} a repository of its own"
)


@dataclass(frozen=True)
class Made:
    """A new repository: its folder, its template, how many files, and whether git has them.

    Attributes:
        warnings: what will not work as it stands, and the remedy.
    """

    folder: Path
    template: repository.Template
    files: int
    committed: bool
    warnings: list[str]


def new(
    target: Path,
    answers: Mapping[str, str],
    *,
    source: str | None = None,
    version: str | None = None,
    defaults: bool = False,
    example: bool = False,
    commit: bool | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Made:
    """Render the template and make a git repository of it, in one step or not at all.

    All is made in a hidden sibling `.<name>.scaffold-…`, renamed when it is complete. A run that
    was killed leaves nothing else, and its leftover may be deleted.

    Args:
        target: the folder to make; it may be there if empty, or the clone of an empty repository.
        answers: by question, as text.
        source: path or URL of the template; none is the one that `scaffold` came with.
        version: tag, branch or commit of the template.
        defaults: do not ask, take the defaults for what `answers` leaves open.
        example: put the modules of the example shop in, instead of new ones.
        commit: make a git repository with a first commit; none does outside of another repository.
        note: is told what takes long, before it does.

    Raises:
        ScaffoldError: with nothing written.
    """
    target = target.resolve()
    git.need()
    cloned = _check_target(target)
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
    outer = None if cloned else _outer(target)
    commit = (outer is None) if commit is None else commit
    if commit:
        try:
            git.need_identity(target if cloned else None)
        except ScaffoldError as error:
            raise ScaffoldError(f"{error}, or pass --no-git") from None
    template = origin.find(source, version, note)
    warnings = list(template.warnings)
    if outer and not commit:
        warnings.append(_OUTER.format(folder=target, outer=outer, name=target.name))

    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.scaffold-", dir=target.parent))
    try:
        made, modules = aside / target.name, aside / f"{target.name}.example"
        note(f"rendering {template.source}")
        if example:
            _render_example(template, modules)
        suggested = {"project_name": target.name} if names.is_project(target.name) else {}
        render(template, made, answers, suggestions=suggested, ask=not defaults)
        recorded = _check_made(made, template, answers)
        if defaults and not suggested and "project_name" not in answers:
            named = recorded.answers.get("project_name")
            warnings.append(_RENAMED.format(folder=target.name, name=named))
        if example:
            _put_in(modules, made)
        files = sorted(path for path in made.rglob("*") if path.is_file())
        if outer and not commit:
            _check_seen(target, made, files)
        elif not commit:
            warnings += _would_be_hidden(aside, made, files)
        if commit:
            note("making the first commit")
            repository_of_clone = target / ".git" if cloned else None
            message = f"Start {target.name} from its template {recorded.version[:16]}"
            git.first_commit(made, message, repository_of_clone)
        interrupts.ignore()
        _place(made, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Made(target, recorded, len(files), commit, warnings)


def _check_target(target: Path) -> bool:
    """Refuse a place that is not free. Returns whether it is the clone of an empty repository."""
    if not target.parent.is_dir():
        raise ScaffoldError(f"there is no folder {target.parent}; make it first")
    if not target.exists():
        return False
    if not target.is_dir():
        raise ScaffoldError(f"{target} is a file; name a folder that is new or empty")
    inside = [path.name for path in target.iterdir()]
    if inside == [".git"] and git.is_root(target):
        if git.commit(target, "HEAD"):
            raise ScaffoldError(
                f"{target} is not empty: its repository has commits; name a folder that is new, "
                "empty, or the clone of an empty repository"
            )
        return True
    if inside:
        raise ScaffoldError(f"{target} is not empty; name a folder that is new or empty")
    return False


def _outer(target: Path) -> Path | None:
    """The repository that would see a new folder as part of itself; one it ignores it does not."""
    outer = git.around(target.parent)
    if outer is None or git.ignored(target.parent, [f"{target.name}/"]):
        return None
    return outer


def _check_seen(target: Path, made: Path, files: list[Path]) -> None:
    """Refuse files that the repository around them would leave out."""
    there = [f"{target.name}/{file.relative_to(made).as_posix()}" for file in files]
    for path, rule in git.ignored(target.parent, there):
        raise ScaffoldError(
            f"git would ignore {path} by the rule {rule}, so that nobody else would get it; narrow "
            "the rule, or pass --git"
        )


def _would_be_hidden(aside: Path, made: Path, files: list[Path]) -> list[str]:
    """What a plain `git add` in the new folder would leave out, by rules of the user's own."""
    store = str(aside / f"{made.name}.git")
    git.run("init", "--quiet", "--bare", store, cwd=aside)
    paths = [file.relative_to(made).as_posix() for file in files]
    hidden = git.ignored(made, paths, "--git-dir", store, "--work-tree", str(made))
    return [
        f"git will ignore {path} by the rule {rule}: add it with `git add --force`, or it is lost"
        for path, rule in hidden[:1]
    ]


def _place(made: Path, target: Path) -> None:
    """Put what was made in its place: all of it, or nothing."""
    if not target.exists():
        made.rename(target)
        return
    if appeared := {path.name for path in target.iterdir()} - {".git"}:
        raise ScaffoldError(f"{target / appeared.pop()} appeared just now; see what it is")
    moved: list[Path] = []
    try:
        for path in list(made.iterdir()):  # the folder stays: somebody may be in it, or own it
            moved.append(path.rename(target / path.name))
    except BaseException:
        for path in moved:
            path.rename(made / path.name)
        raise


def _check_keys(answers: Mapping[str, str]) -> None:
    for key in answers:
        if not key.isidentifier() or key.startswith("_") or key in ("module", "example"):
            raise ScaffoldError(f"--data {key!a}: the template has no such question")
    if "services" in answers:
        raise ScaffoldError(
            "--data services: no module begins as a service; `scaffold carve NAME` makes one later"
        )


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
        render(template, folder, {"example": _EXAMPLE})
        known = not (folder / repository.ANSWERS).exists()  # else it was rendered as a whole
    except FileNotFoundError:
        known = False
    if not known:
        raise ScaffoldError(
            f"the template {template.source} has no example at {template.version}; "
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
