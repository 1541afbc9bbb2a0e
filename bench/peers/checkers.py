"""The tools that check walls, each with how it is set up for a repository of ours."""

import ast
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MODULES = "src/app/modules"


@dataclass(frozen=True)
class Tool:
    name: str
    command: tuple[str, ...]
    set_up: Callable[[Path, dict[str, list[str]]], None]
    """Write the tool's configuration for modules and what they depend on."""
    mark: str = ""
    """Stands before what is internal."""


def for_ours(at: Path, depends: dict[str, list[str]]) -> None:
    for module, others in depends.items():
        file = at / MODULES / module / "module.toml"
        text = re.sub(r"depends_on = .*", f"depends_on = {json.dumps(others)}", file.read_text())
        file.write_text(text)


def for_import_linter(at: Path, depends: dict[str, list[str]]) -> None:
    (at / ".importlinter.toml").write_text(
        """[tool.importlinter]
root_packages = ["app", "tests"]
[[tool.importlinter.contracts]]
name = "What has an underscore is private"
type = "private_modules"
[[tool.importlinter.contracts]]
name = "No circles"
type = "acyclic_siblings"
ancestors = ["app.modules"]
[[tool.importlinter.contracts]]
name = "Layers"
type = "layers"
layers = ["app.main : app.cli", "app.modules", "app.platform"]
"""
    )


def for_tach(at: Path, depends: dict[str, list[str]]) -> None:
    lines = ['source_roots = ["src"]', "exact = true", "forbid_circular_dependencies = true"]
    lines += ['root_module = "ignore"', "ignore_type_checking_imports = false", ""]
    lines += ["[[modules]]", 'path = "app.platform"', "depends_on = []", ""]
    lines += ["[[modules]]", 'path = "app.main"', 'depends_on = ["app.platform"]', ""]
    for module, others in depends.items():
        needed = json.dumps(["app.platform", *(f"app.modules.{other}" for other in others)])
        lines += ["[[modules]]", f'path = "app.modules.{module}"', f"depends_on = {needed}", ""]
        lines += ["[[interfaces]]", f"expose = {json.dumps(face(at / MODULES / module))}"]
        lines += [f'from = ["app.modules.{module}"]', ""]
    (at / "tach.toml").write_text("\n".join(lines))


def for_modupy(at: Path, depends: dict[str, list[str]]) -> None:
    (at / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "0"\n\n[tool.modulith]\npackage = "app.modules"\n\n'
        '[tool.modulith.verify]\ndisabled_rules = ["use-contracts"]\n'
    )
    for module, others in depends.items():
        (at / MODULES / module / "_manifest.py").write_text(
            "from modulith import declare_module\n\n"
            f"declare_module(declared_dependencies={others}, owns_tables=['{module}.items'])\n"
        )


def face(package: Path) -> list[str]:
    """Return what a package defines itself."""
    body = ast.parse((package / "__init__.py").read_text()).body
    return [each.name for each in body if isinstance(each, ast.ClassDef)]


OURS_IMPORTS = Tool("ours, imports only", ("python", "-m", "checks", "boundaries"), for_ours)
TOOLS = (
    Tool("ours", ("python", "-m", "checks"), for_ours),
    Tool(
        "import-linter",
        ("lint-imports", "--config", ".importlinter.toml"),
        for_import_linter,
        "_",
    ),
    Tool("tach", ("tach", "check"), for_tach),
    Tool("modupy", ("modulith", "verify"), for_modupy, "_"),
)
