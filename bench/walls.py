"""Checking the walls between modules, beside import-linter's own contracts, tach and modupy.

The same generated repository of 10, 100 and 300 modules, every third of which depends on the one
before it; each tool set up for it as its documentation says. Then a common set of violations is
planted, one after the other, in a repository of three: which tool refuses it? Caches are warm
where a tool has one.

import-linter gets `private_modules`, `acyclic_siblings` and `layers`; it and modupy know what is
internal by an underscore, so their copy of the repository has internals with one. tach gets a
module and an interface for each package, `exact` and no circles. modupy gets a manifest for each
package; its rule that types of modules stand in one package of contracts is off.
"""

import ast
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .installing import versions
from .measuring import UV, alternate, folder, progress, run, shop, succeeds
from .peers.planted import PLANTS, Plant
from .results import Found, Plot, Table
from .tables import Cell

SIZES, ROUNDS = (10, 100, 300), 2
INTERNAL = "service|tables|routes|jobs|wiring"
PACKAGES = ("import-linter>=2.17,<3", "tach==0.35.3", "modupy[cli]==0.13.2")
MODULES = "src/app/modules"


@dataclass(frozen=True)
class Tool:
    name: str
    command: tuple[str, ...]
    set_up: Callable[[Path, dict[str, list[str]]], None]
    """Write the tool's configuration for modules and what they depend on."""
    mark: str = ""
    """Stands before what is internal."""


def measure() -> Found:
    with folder() as work:
        times = {modules: speeds(work / f"of-{modules}", modules) for modules in SIZES}
        caught, installed = planted(work / "planted")
    most = times[SIZES[-1]]
    rows: list[list[Cell]] = [
        [tool.name, *(times[size][tool.name] for size in SIZES), most[tool.name] / most["ours"]]
        for tool in (OURS_IMPORTS, *TOOLS)
    ]
    kinds = [kind for kind, plants in PLANTS.items() for _ in plants]
    plants = [plant for each in PLANTS.values() for plant in each]
    sums = {tool.name: sum(caught[tool.name]) for tool in TOOLS}
    found: list[list[Cell]] = [
        [plant.name, kind, *("yes" if caught[tool.name][n] else "-" for tool in TOOLS)]
        for n, (plant, kind) in enumerate(zip(plants, kinds, strict=True))
    ]
    found.append(["all", "", *(f"{sums[tool.name]} of {len(plants)}" for tool in TOOLS)])
    faster = [tool.name for tool in TOOLS[1:] if most[tool.name] < most[OURS_IMPORTS.name]]
    sizes = [f"{modules} modules" for modules in SIZES]
    return (
        [
            Table("Checking the walls, ms", ["", *sizes, "to ours at 300"], rows),
            Table("What is refused", ["planted", "", *(tool.name for tool in TOOLS)], found),
        ],
        Plot(
            f"Checking the walls of {SIZES[-1]} modules",
            "milliseconds",
            [(str(row[0]), most[str(row[0])], str(row[0]).startswith("ours")) for row in rows],
        ),
        {
            "warm": (most["ours"] + most["mypy --strict"]) / 1000,
            "caught": sums["ours"] / len(plants),
        },
        [
            f"Peers: {installed}.",
            f"We lose the time for imports only to {', '.join(faster) or 'nobody'}: ours also"
            " follows imports in strings, scripts and tests, and names reached by attributes.",
            "Nobody but ours looks at SQL with `module.toml` in hand; whatever gets past it meets"
            " the module's role in Postgres, which no other tool here has.",
        ],
    )


def speeds(work: Path, modules: int) -> dict[str, float]:
    progress(f"  a repository of {modules} modules")
    repository, depends = make(work, modules)
    contenders: dict[str, Callable[[int], object]] = {}
    for tool in (OURS_IMPORTS, *TOOLS):
        at = copy_for(tool, repository, depends)
        contenders[tool.name] = partial(check, tool, at)
    contenders["mypy --strict"] = lambda _: run(".venv/bin/mypy", cwd=repository)
    return alternate(contenders, ROUNDS)


def check(tool: Tool, at: Path, _number: int = 0) -> None:
    """Check what must pass."""
    run(*in_environment(tool, at), cwd=at, env=PATHS)


def planted(work: Path) -> tuple[dict[str, list[bool]], str]:
    """Return whether each tool refuses each violation; it must pass the repository as it is."""
    repository, depends = make(work, 3, {"m2": ["m1"]})
    caught: dict[str, list[bool]] = {}
    for tool in TOOLS:
        progress(f"  planting, before {tool.name}")
        at = copy_for(tool, repository, depends)
        check(tool, at)
        caught[tool.name] = [
            refused(tool, at, plant, depends) for plants in PLANTS.values() for plant in plants
        ]
    names = (re.split(r"[\[=>]", each)[0] for each in PACKAGES)
    return caught, versions(repository / ".venv/bin", *names)


def refused(tool: Tool, at: Path, plant: Plant, depends: dict[str, list[str]]) -> bool:
    if plant.file == "DECLARATION":
        tool.set_up(at, {**depends, "m2": [*depends["m2"], plant.text]})
        found = not passes(tool, at)
        tool.set_up(at, depends)
        return found
    file = at / plant.file.replace("%", tool.mark)
    before = file.read_text() if file.exists() else None
    there = file.parent.exists()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{before or ''}\n{plant.text.replace('%', tool.mark)}\n")
    found = not passes(tool, at)
    if before is None:
        file.unlink()
        if not there:
            shutil.rmtree(file.parent)
    else:
        file.write_text(before)
    return found


PATHS = {"PYTHONPATH": "src:."}


def passes(tool: Tool, at: Path) -> bool:
    return succeeds(*in_environment(tool, at), cwd=at, env=PATHS)


def in_environment(tool: Tool, at: Path) -> tuple[str, ...]:
    program, *arguments = tool.command
    return (str(at / ".venv/bin" / program), *arguments)


def make(
    work: Path, modules: int, depends: dict[str, list[str]] | None = None
) -> tuple[Path, dict[str, list[str]]]:
    """Generate a repository whose modules use what they depend on."""
    work.mkdir()
    repository = shop(work / "shop", modules=modules)
    run(UV, "pip", "install", "--quiet", "--python", ".venv", *PACKAGES, cwd=repository)
    if depends is None:
        depends = {f"m{n}": [f"m{n - 1}"] for n in range(1, modules) if n % 3 == 0}
    for module, others in depends.items():
        with (repository / MODULES / module / "service.py").open("a") as file:
            for other in others:
                file.write(
                    f"\nfrom app.modules.{other} import {other.upper()} as {other.upper()}\n"
                )
    return repository, {f"m{n}": depends.get(f"m{n}", []) for n in range(modules)}


def copy_for(tool: Tool, repository: Path, depends: dict[str, list[str]]) -> Path:
    """Return a copy in which internals are called as the tool wants it, with its configuration."""
    at = repository.with_name(re.sub(r"\W", "-", tool.name))
    shutil.copytree(repository, at, ignore=shutil.ignore_patterns(".venv", ".git"))
    (at / ".venv").symlink_to(repository / ".venv")
    if tool.mark:
        internal = re.compile(
            rf"(\bapp\.modules\.\w+|(?<=from )|(?<=import_module\(\"))\.({INTERNAL})\b"
        )
        for file in at.rglob("*.py"):
            if ".venv" in file.parts:
                continue
            text = file.read_text()
            if (marked := internal.sub(rf"\1.{tool.mark}\2", text)) != text:
                file.write_text(marked)
        for module in depends:
            for name in INTERNAL.split("|"):
                file = at / MODULES / module / f"{name}.py"
                file.rename(file.with_name(f"{tool.mark}{name}.py"))
    tool.set_up(at, depends)
    return at


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
