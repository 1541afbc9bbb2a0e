"""What a repository tells of the answers it was made with."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scaffold import codeowners, names, repository
from scaffold.carving.services import DATA, FIRST, OWN, SERVICES
from scaffold.errors import ScaffoldError

_TOML = re.compile(rf"{repository.MODULES.as_posix()}/(\w+)/module\.toml")
_ROW = re.compile(r"(\w+)Row")


def of_app(root: Path, contents: Mapping[str, bytes]) -> dict[str, Any]:
    """Answers that stand in files: the product's name and description, its owner."""
    found: dict[str, Any] = {}
    try:
        project = tomllib.loads(contents.get("pyproject.toml", b"").decode()).get("project", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        project = {}
    for question, key in (("project_name", "name"), ("description", "description")):
        if isinstance(project, dict) and isinstance(project.get(key), str):
            found[question] = project[key]
    owners = contents.get(codeowners.find(root).relative_to(root.resolve()).as_posix(), b"")
    if owner := re.search(r"^\*\s+(@\S+)", owners.decode(errors="replace"), re.MULTILINE):
        found["owner"] = owner[1]
    return found | services(contents)


def services(contents: Mapping[str, bytes]) -> dict[str, Any]:
    """The answer that `scaffold carve` has written, by the modules that say so, if one does."""
    compose, found = contents.get("compose.yaml", b"").decode(errors="replace"), dict[str, Any]()
    for path in sorted(contents):
        name = _TOML.fullmatch(path)
        try:
            said = tomllib.loads(contents[path].decode()) if name else {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            continue
        if name and "service" in said:
            web = f"^  {name[1].replace('_', '-')}-web:\n(?:    .*\n)*?    ports: .*:"
            port = re.search(rf"{web}(\d+):8000", compose, re.M)
            needs = sorted(map(str, said.get("depends_on", ())))
            about = {"needs": needs, "port": int(port[1]) if port else FIRST + len(found)}
            folder = contents.get(f"deploy/{SERVICES}/{name[1]}/kustomization.yaml", b"")
            carve = f"  {name[1].replace('_', '-')}-carve:\n"
            if b"parts/carve" in folder or carve in compose:
                about[DATA] = OWN
            found[name[1]] = about
    return {SERVICES: found} if found else {}


def of_module(root: Path, name: str) -> dict[str, Any]:
    """Answers that stand in a module's module.toml, whatever kind it is of."""
    settings = repository.read_settings(root / repository.MODULES / name)
    interfaces = {}
    for other in settings["depends_on"]:
        try:
            interfaces[other] = repository.interface(root / repository.MODULES / other)
        except ScaffoldError:
            interfaces[other] = names.class_name(other)
    return {"module": name, "owner": settings["owner"], "depends_on": interfaces}


def entities(name: str, contents: Mapping[str, bytes]) -> Iterator[dict[str, str]]:
    """What a module may have been made to keep: each of its tables, with the name of its row."""
    source = contents.get(f"{repository.MODULES.as_posix()}/{name}/tables.py", b"")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in tree.body:
        row = _ROW.fullmatch(node.name) if isinstance(node, ast.ClassDef) else None
        for each in node.body if row and isinstance(node, ast.ClassDef) else ():
            match each:
                case ast.Assign(
                    targets=[ast.Name(id="__tablename__")], value=ast.Constant(value=str(table))
                ) if row:
                    entity = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", row[1]).lower()
                    yield {"entity": entity, "entities": table}
