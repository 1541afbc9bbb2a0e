"""Put a repository whose answers are lost back on the path: find what fits, write answers only."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaffold import contents, git, origin, plan, repository
from scaffold.add_module import ASIDE, check_not_picking, check_seen
from scaffold.adopting import guesses, search
from scaffold.adopting.fit import Fit
from scaffold.adopting.versions import Tried, Versions
from scaffold.errors import ScaffoldError
from scaffold.origin import Note, Origin
from scaffold.plan import Change
from scaffold.reader import Rendered

_LEAST = 0.3
"""How much of a rendering must be there, for it to be taken for one."""
_PLAIN = {"entity": "item", "entities": "items", "depends_on": {}}
"""The answers of a module that `scaffold new` makes, beside its name and owner."""


@dataclass(frozen=True)
class Found:
    """A version and answers that fit, of the app or a module.

    Attributes:
        version: of the template.
        answers: as they are recorded.
        fit: the files, compared.
        is_new: whether its answers were lost.
    """

    version: str
    answers: dict[str, Any]
    fit: Fit
    is_new: bool


@dataclass
class Adoption:
    """What was found out of a repository.

    Attributes:
        root: of the repository.
        source: of the template, as it is recorded.
        app: what fits the app.
        modules: what fits each module whose answers were lost.
        left: modules that nothing fits, or that nothing is known of, each with the reason.
        changes: the answers to write.
        warnings: what others will not be able to do.
        written: whether they were.
    """

    root: Path
    source: str
    app: Found
    modules: dict[str, Found] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    written: bool = False


def look(
    start: Path,
    *,
    source: str | None = None,
    ref: str | None = None,
    data: Mapping[str, Any] | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Adoption | None:
    """Find the version and the answers that fit a repository; none, where none are lost.

    Args:
        start: a folder inside the repository.
        source: path or URL of the template; none takes what is recorded, or what scaffold has.
        ref: the version, if it is known.
        data: answers that are known.
        note: is told what takes long, before it does.

    Raises:
        ScaffoldError: where nothing fits.
    """
    git.need()
    root = _find_root(start)
    check_not_picking(root)
    names = [
        name
        for name in repository.module_names(root)
        if (root / repository.MODULES / name / "__init__.py").is_file()
    ]
    app = root / repository.ANSWERS
    recorded = repository.read_template(app) if app.exists() else None
    answers = {name: root / repository.MODULES / name / repository.MODULE_ANSWERS for name in names}
    lost = [name for name, file in answers.items() if not file.exists()]
    if recorded and not lost:
        return None
    others = {
        name: repository.read_template(file) for name, file in answers.items() if file.exists()
    }
    found, listed = _template(recorded, list(others.values()), source, ref, note)
    note("reading the repository")
    files = _read(root)
    note(f"comparing it with {len(listed)} versions")
    place = Path(found.place)
    kept = recorded.version if recorded else None
    ranked = search.ranked(place, listed, files, kept)
    versions = Versions(root, place, found.source, ranked, files, names)
    best, shared = _app(versions, root, files, recorded, data or {}, found)
    done = Adoption(root, found.source, _told(best, best.answers, recorded is None))
    done.warnings = found.warnings
    _modules(done, versions, lost, best, shared)
    if recorded is None:
        if "modules" not in (data or {}):
            known = {name: each.answers for name, each in others.items()}
            known |= {name: each.answers for name, each in done.modules.items()}
            owner = shared.get("owner")
            plain = [name for name in names if _is_plain(known.get(name, {}), name, owner)]
            best = versions.at(best.version, {**best.answers, "modules": plain}) or best
        made = versions.record(best, best.answers)
        content = _written(made, repository.ANSWERS)
        done.app = _told(best, repository.read_template(app, content).answers, True)
        done.changes.append(Change(repository.ANSWERS, None, content))
    check_seen(root, done.changes)
    return done


def adopt(found: Adoption) -> Adoption:
    """Write the answers that were found: all, or none."""
    root = found.root
    held = (repository.ANSWERS, "pyproject.toml", repository.MODULES / "__init__.py")
    with ExitStack() as stack:
        for file in [root / each for each in held if (root / each).is_file()][:1]:
            stack.enter_context(plan.lock(file))
        working = stack.enter_context(plan.working_folder(root / ASIDE))
        plan.apply_changes(root, working, found.changes)
    found.written = True
    return found


def _find_root(start: Path) -> Path:
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / repository.MODULES).is_dir():
            return folder
    raise ScaffoldError(
        f"{start} is not inside a generated repository: there is no {repository.MODULES} in it, or "
        "above; go into one"
    )


def _template(
    recorded: repository.Template | None,
    others: list[repository.Template],
    source: str | None,
    ref: str | None,
    note: Note,
) -> tuple[Origin, list[tuple[str, str]]]:
    """Where the template is, and the versions to try."""
    if recorded:
        if ref not in (None, recorded.version):
            raise ScaffoldError(
                f"{repository.ANSWERS} records {recorded.version}, and only modules have lost "
                "their answers; leave out --ref, or delete that file to adopt all anew"
            )
        found = origin.recall(recorded.source, recorded.version, source, note)
        listed = search.candidates(Path(found.place), found.revision)
        rest = [each for each in listed if each[1] != found.revision]
        at = next((n for n, each in enumerate(listed) if each[1] == found.revision), 0)
        return found, [*rest[:at], (found.version, found.revision), *rest[at:]]
    if others:
        found = origin.newer(others[0].source, ref, source, note)
    else:
        found = origin.find(source, ref, note)
    if ref:
        return found, [(found.version, found.revision)]
    return found, search.candidates(Path(found.place), found.revision)


def _read(root: Path) -> dict[str, bytes]:
    """The files of a repository, with the line ends of a template."""
    return {
        path: each.replace(b"\r\n", b"\n") if contents.is_text(each) else each
        for path, each in contents.read(root).items()
    }


def _app(
    versions: Versions,
    root: Path,
    files: Mapping[str, bytes],
    recorded: repository.Template | None,
    data: Mapping[str, Any],
    found: Origin,
) -> tuple[Tried, dict[str, Any]]:
    """What fits the app, and the answers that its modules share."""
    if recorded:
        best = versions.at(recorded.version, recorded.answers)
    else:
        best = versions.app({**guesses.of_app(root, files), "modules": [], **data})
    if best is None:
        raise ScaffoldError(
            f"no version of {found.source} can be read; name the template with --from"
        )
    if best.fit.share < _LEAST:
        raise ScaffoldError(
            f"{root} is not of the template {found.source}: the version that fits best, "
            f"{best.version}, makes {best.fit.total} files, of which {best.fit.equal} are the same "
            "here; name another template with --from"
        )
    return best, {name: value for name, value in best.answers.items() if name != "modules"}


def _modules(
    done: Adoption, versions: Versions, lost: list[str], app: Tried, shared: Mapping[str, Any]
) -> None:
    """Find what fits each module whose answers are lost."""
    for name in lost:
        try:
            given = {**shared, **guesses.of_module(done.root, name)}
            tried = versions.module(name, given, app.version)
            if tried is None or tried.fit.share < _LEAST or tried.fit.margin < -2:
                done.left[name] = "no version's module is like it: it stays the team's own"
                continue
            made = versions.record(tried, tried.answers)
        except ScaffoldError as error:
            done.left[name] = str(error)
            continue
        content = _written(made, repository.MODULE_ANSWERS)
        path = f"{repository.MODULES.as_posix()}/{name}/{repository.MODULE_ANSWERS}"
        answers = repository.read_template(done.root / path, content).answers
        done.changes.append(Change(path, None, content))
        done.modules[name] = _told(tried, answers, True)


def _is_plain(answers: Mapping[str, Any], name: str, owner: object) -> bool:
    """Tell whether a module is as `scaffold new` makes it: then the app's answers name it."""
    return {**_PLAIN, **answers} == {**_PLAIN, "module": name, "owner": owner}


def _told(tried: Tried, answers: Mapping[str, Any], is_new: bool) -> Found:
    return Found(tried.version, dict(answers), tried.fit, is_new)


def _written(made: Rendered, path: str) -> bytes:
    if path not in made.files:
        raise ScaffoldError("the template at that version writes no answers; name another by --ref")
    return made.files[path].content
