"""What an entity adds to a module: files of its own, and lines in those that are there."""

import ast
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scaffold import names, repository, tidying
from scaffold.errors import ScaffoldError
from scaffold.fields import Entity
from scaffold.origin import Origin
from scaffold.plan import Change
from scaffold.weaving import NotUnderstoodError, Weaving

_FIRST = "0001"
_INTERFACE = "interface.py"
"""What stands in `__init__.py`, while ruff looks for imports that nothing uses."""


class ByHandError(ScaffoldError):
    """Files of a module are not of the form that could be added to; `lines` are to be added."""


def add(
    root: Path, folder: Path, module: str, entity: Entity, found: Origin, answers: Mapping[str, Any]
) -> list[Change]:
    """Say what an entity changes in a module's folder, by paths in that folder.

    Args:
        root: of the repository, whose ruff formats it.
        folder: of the module; it may stand elsewhere as yet.
        module: its name.
        entity: what to add.
        found: the template.
        answers: of the repository and the module.

    Raises:
        ScaffoldError: where a name is taken; where the module was rewritten, as a `ByHandError`.
    """
    interface, service = repository.interface(folder), repository.implementation(folder)
    enums = [names.class_name(f"{entity.name}_{each.name}") for each in entity.fields if each.args]
    names.check_entity_with_fields(entity.name, module, [interface, service, *enums])
    given = _answers(folder, module, entity, answers)
    parts = _parts(root, found, {**given, "Interface": interface, "Service": service})
    if f"{entity.name}_service.py" not in parts:
        raise ScaffoldError(
            f"the template {found.source} at {found.version} knows no entities with fields; update "
            "the repository to a version that does (scaffold update)"
        )
    _check_free(folder, module, entity.name, parts)
    before, after, not_understood = {}, {}, {}
    for path, part in parts.items():
        weave = _WEAVES.get(path)
        if weave is None or not (folder / path).is_file():
            continue
        before[path] = (folder / path).read_bytes()
        try:
            after[path] = weave(before[path], part, interface, service)
        except NotUnderstoodError as error:
            not_understood[path] = str(error)
    if not_understood:
        reasons = ", ".join(f"{path} ({why})" for path, why in not_understood.items())
        refusal = ByHandError(
            f"cannot add to what was rewritten in {module}: {reasons}; add the lines below by "
            "hand, and run this again for the rest"
        )
        refusal.lines = "\n".join(f"# {path}\n{parts[path].decode()}" for path in not_understood)
        raise refusal
    prefix = f"{repository.MODULES.as_posix()}/{module}/"
    woven = tidying.tidy_again(
        root,
        {prefix + path: content for path, content in before.items()},
        {prefix + path: content for path, content in after.items()},
    )
    changes = [
        Change(path, before.get(path), woven.get(prefix + path, part))
        for path, part in sorted(parts.items())
    ]
    return [change for change in changes if change.before != change.after]


def _answers(
    folder: Path, module: str, entity: Entity, answers: Mapping[str, Any]
) -> dict[str, Any]:
    """What the skeleton of an entity is rendered with."""
    heads, taken = repository.heads(folder)
    revision, now = _FIRST, datetime.now(UTC)
    while heads and (revision in taken or revision == _FIRST):
        revision = f"{now:%Y%m%d%H%M%S}"  # As `app make-migration` calls what comes later.
        now += timedelta(seconds=1)
    given: dict[str, Any] = {
        "module": module,
        "entity": entity.name,
        "fields": [each.as_answer() for each in entity.fields],
        "revision": revision,
        "revises": heads[0] if len(heads) == 1 else heads,
    }
    if entity.plural is not None:
        given["entities"] = entity.plural
    kept = {key: value for key, value in answers.items() if key not in ("bare", "entities")}
    return {**kept, **given}


def _parts(root: Path, found: Origin, given: dict[str, Any]) -> dict[str, bytes]:
    """The files of an entity as if a module had nothing else, by path."""
    from scaffold.history import render_module  # Jinja: only where something is rendered.

    with tempfile.TemporaryDirectory(prefix="scaffold-") as aside:
        made = Path(aside) / "made"
        render_module(found, given, made)
        files = {
            path.relative_to(made).as_posix(): path.read_bytes()
            for path in made.rglob("*")
            if path.is_file()
        }
    if repository.MODULE_ANSWERS in files:
        return {}  # A whole module: of a template that does not know `fields`.
    prefix = f"{repository.MODULES.as_posix()}/{given['module']}/"
    files[_INTERFACE] = files.pop("__init__.py")
    tidied = tidying.tidy(root, {prefix + path: each for path, each in files.items()}, unused=True)
    files = {path.removeprefix(prefix): each for path, each in tidied.items()}
    files["__init__.py"] = files.pop(_INTERFACE)
    return files


def _check_free(folder: Path, module: str, entity: str, parts: Mapping[str, bytes]) -> None:
    """Refuse an entity that is there, or whose files or table are."""
    for path in sorted(parts.keys() - _WEAVES.keys()):
        if (folder / path).exists():
            raise ScaffoldError(
                f"{repository.MODULES / module / path} exists already; take another name for the "
                f"entity {entity!r}, or for its plural"
            )
    tables = folder / "tables.py"
    if tables.is_file():
        (table,) = _tables(parts["tables.py"])
        try:
            taken = table in _tables(tables.read_bytes())
        except (SyntaxError, ValueError) as error:
            raise ScaffoldError(f"{tables} is no Python ({error}); mend it") from None
        if taken:
            raise ScaffoldError(
                f"the table {table} is in {repository.MODULES / module}/tables.py already; take "
                "another name for the entity, or another --plural"
            )


def _tables(content: bytes) -> list[str]:
    return [
        str(node.value.value)
        for node in ast.walk(ast.parse(content))
        if isinstance(node, ast.Assign)
        and [each.id for each in node.targets if isinstance(each, ast.Name)] == ["__tablename__"]
        and isinstance(node.value, ast.Constant)
    ]


def _weave_interface(content: bytes, part: bytes, interface: str, _service: str) -> bytes:
    weaving = Weaving(content, part)
    if not weaving.is_done([interface]):
        weaving.add_imports()
        weaving.add_definitions(interface)
        weaving.add_methods(interface)
    return weaving.result()


def _weave_tables(content: bytes, part: bytes, _interface: str, _service: str) -> bytes:
    weaving = Weaving(content, part)
    if not weaving.is_done(["Base"]):
        weaving.add_imports()
        weaving.add_definitions("Base")
    return weaving.result()


def _weave_service(content: bytes, part: bytes, _interface: str, service: str) -> bytes:
    weaving = Weaving(content, part)
    weaving.sets(service, ("_db", "_events"))
    weaving.add_imports()
    weaving.add_base(service)
    return weaving.result()


def _weave_routes(content: bytes, part: bytes, _interface: str, _service: str) -> bytes:
    weaving = Weaving(content, part)
    weaving.add_calls("routes")
    weaving.add_imports()
    return weaving.result()


def _weave_wiring(content: bytes, part: bytes, _interface: str, _service: str) -> bytes:
    weaving = Weaving(content, part)
    if weaving.add_keywords("module"):
        weaving.add_imports()
    return weaving.result()


_WEAVES: dict[str, Callable[[bytes, bytes, str, str], bytes]] = {
    "__init__.py": _weave_interface,
    "tables.py": _weave_tables,
    "service.py": _weave_service,
    "routes.py": _weave_routes,
    "wiring.py": _weave_wiring,
}
