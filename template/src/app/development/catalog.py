"""What Backstage shows of this application, drawn from the code and from each `module.toml`.

`make catalog` runs this file, and a test says when what it wrote is stale.

A module is a component, which may be a service of its own, and provides an API. Both stand in its folder, so that it takes them along
when it is renamed or carved out: `catalog-info.yaml`, and `openapi.json` where it has routes.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app import modules
from app.cli_openapi import describe
from app.platform.web import describe_api
from app.platform.wiring import discover, ModuleFolder

_ROOT = Path(__file__).parents[3]
ENTITIES = "catalog-info.yaml"
DOCUMENT = "openapi.json"
_LONGEST_NAME = 63
_VERSION = "0"
"""What the documents say: these files are not to differ from release to release."""
_HEAD = "# Written by `make catalog` from module.toml and the routes."


def draw_catalog(
    system: str, folders: Sequence[ModuleFolder], api: Mapping[str, Any]
) -> dict[Path, str]:
    """Return the content of every file that belongs into the folders of the modules.

    `system` is the name of the whole, `api` its OpenAPI document.
    """
    files = {}
    api = {**api, "info": {**api["info"], "version": _VERSION}}
    for folder in folders:
        own = describe_api(api, folder.name)
        files[folder.path / ENTITIES] = _entities(system, folder, provides=bool(own["paths"]))
        if own["paths"]:
            files[folder.path / DOCUMENT] = json.dumps(own, indent=2, ensure_ascii=False) + "\n"
    return files


def system_of(root: Path) -> str:
    """Return the name of the product, as `pyproject.toml` in the root of the repository says it."""
    return str(tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["name"])


def owner_reference(owner: str) -> str:
    """Return whom Backstage calls what CODEOWNERS calls `@acme/payments`: `group:payments`."""
    organisation, _, team = owner.removeprefix("@").partition("/")
    return f"group:{team.replace('/', '-')}" if team else f"user:{organisation}"


def entity_name(system: str, module: str) -> str:
    """Return what a module is called in the catalog of the whole company, in which names are unique.

    Where that is too long for Backstage, the name of the system is cut.
    """
    return f"{system[: _LONGEST_NAME - 1 - len(module)]}-{module}"


def _entities(system: str, folder: ModuleFolder, *, provides: bool) -> str:
    name = entity_name(system, folder.name)
    owner = owner_reference(folder.owner)
    said = tomllib.loads((folder.path / "module.toml").read_text("utf-8"))
    type_ = "service" if "service" in said else "module"
    lines = _entity("Component", name, type_, owner, system)
    if folder.depends_on:
        others = [entity_name(system, other) for other in sorted(set(folder.depends_on))]
        lines += ["  dependsOn:", *(f"    - component:{other}" for other in others)]
    if provides:
        lines += ["  providesApis:", f"    - {name}", "---"]
        lines += _entity("API", name, "openapi", owner, system)
        lines += ["  definition:", f"    $text: ./{DOCUMENT}"]
    return "\n".join([_HEAD, *lines, ""])


def _entity(kind: str, name: str, type_: str, owner: str, system: str) -> list[str]:
    return [
        "apiVersion: backstage.io/v1alpha1",
        f"kind: {kind}",
        "metadata:",
        f"  name: {name}",
        "spec:",
        f"  type: {type_}",
        "  lifecycle: production",
        f"  owner: {owner}",
        f"  system: {system}",
    ]


if __name__ == "__main__":
    for path, content in draw_catalog(system_of(_ROOT), discover(modules), describe()).items():
        path.write_text(content, "utf-8", newline="\n")
        print(f"Wrote {path.relative_to(_ROOT)}.")
