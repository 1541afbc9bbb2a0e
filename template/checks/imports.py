"""The graph of modules, held to the rules of AGENTS.md."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from grimp import ImportGraph
from importlinter import Contract, ContractCheck

from checks.faces import check_faces
from checks.names import GLOBALS
from checks.source import (
    BELOW_MODULES,
    depends_on,
    linked_folders,
    module_names,
    module_of,
    MODULES,
    read_sources,
    ROOT,
    toml_of,
    Violation,
)

Uses = Mapping[str, Mapping[str, tuple[str, int]]]
"""Which module imports which other one, and where it does so first."""

_BELOW_MODULES = re.compile(r"app(\.platform(\..+)?)?")
_ON_ITS_OWN = "tests.platform."
"""What stands there brings modules of its own, and only names some of `app.modules`."""
_HIDES_IMPORTS = re.compile(
    r"(importlib(?!\.(metadata|resources)\b)|pkgutil|runpy|imp|builtins|gc|inspect\.getmodule|"
    r"code|codeop|pydoc|zipimport|pydantic\.(types\.)?ImportString|uvicorn\.importer|"
    r"sys\.(modules|meta_path|__dict__)|__import__|__builtins__|__globals__|__loader__|eval|exec)"
    r"(\..+)?"
)


class ModulesContract(Contract):
    """Modules import only each other's packages, as declared, and never in a circle."""

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        _complete(graph)
        declared = {module: depends_on(module) for module in module_names()}
        used: dict[str, dict[str, tuple[str, int]]] = defaultdict(dict)
        found = [*_misplaced(), *_hidden(), *_taken(), *check_faces()]
        for file, line, importer, imported in _edges(graph):
            refused = _refused(importer, imported)
            module, other = module_of(importer), module_of(imported)
            if module and other and module != other:
                if other not in declared[module]:
                    refused = refused or (
                        f"imports app.modules.{other}, which {module} does not declare. "
                        f'Add "{other}" to depends_on in {toml_of(module)}.'
                    )
                if not _is_test(importer):
                    used[module].setdefault(other, (file, line))
            if refused:
                found.append(Violation(file, line, refused))
        found += [*_unused(declared, used), *_circles(used)]
        return ContractCheck(kept=not found, metadata={"violations": sorted(set(found))})

    def render_broken_contract(self, check: ContractCheck) -> None:
        print(*check.metadata["violations"], sep="\n")


def _refused(importer: str, imported: str) -> str | None:
    """Return why one file may not import another, and what to do instead."""
    module, other = module_of(importer), module_of(imported)
    if importer.startswith("app.platform") and not _BELOW_MODULES.fullmatch(imported):
        return (
            f"imports {imported}, but the platform knows no module and nothing above it. "
            "Let main or the module pass in what is needed."
        )
    if importer == "app.main" and imported.startswith("app.development"):
        return (
            f"imports {imported}, which is not there in production. Only the command `app` looks."
        )
    if other and other != module and imported != f"app.modules.{other}":
        return (
            f"imports {imported}, which is private to {other}. "
            f"Import from app.modules.{other}, or add what is missing to its interface."
        )
    if other and importer == "app.modules":
        return f"imports app.modules.{other}. Leave this file empty: modules import each other."
    if module and module == other and importer == f"app.modules.{module}" != imported:
        return (
            f"imports {imported} into the interface of {module}, where it would be public. "
            "Define here what others may use, and import it there."
        )
    if module and imported == "app.modules":
        return "imports app.modules as a whole. Import the package of the module that you need."
    if module and not other and not _BELOW_MODULES.fullmatch(imported):
        return (
            f"imports {imported}, which stands above the modules. "
            "Take what you need as a parameter, or move it to app.platform."
        )
    return None


def _complete(graph: ImportGraph) -> None:
    """Add to the graph what it does not see.

    That is a module reached as an attribute or named in a string, and every import by and of files
    that are in no package: migrations, `tests/`, `conftest.py`.
    """
    sources = read_sources()
    known = graph.modules | {source.name for source in sources}
    for source in sources:
        for line, name in sorted(source.reached | source.imports):
            while name not in known and "." in name:
                name = name.rpartition(".")[0]
            if name in known and not (
                source.name in graph.modules
                and name in graph.modules
                and graph.direct_import_exists(importer=source.name, imported=name)
            ):
                graph.add_import(
                    importer=source.name, imported=name, line_number=line, line_contents=""
                )


def _edges(graph: ImportGraph) -> Iterator[tuple[str, int, str, str]]:
    for source in read_sources():
        if source.name in graph.modules and not source.name.startswith(_ON_ITS_OWN):
            for imported in graph.find_modules_directly_imported_by(source.name):
                for each in graph.get_import_details(importer=source.name, imported=imported):
                    yield source.path, each["line_number"], source.name, imported


def _hidden() -> Iterator[Violation]:
    """Find imports of which nobody can see what they import."""
    for source in read_sources():
        if source.name.startswith(BELOW_MODULES):
            continue
        for line, name in source.imports | source.reached:
            other = module_of(name)
            if name == f"app.modules.{other}.*" and other != module_of(source.name):
                yield Violation(
                    source.path, line, f"imports * from {name[:-2]}. Name what you use."
                )
            elif _HIDES_IMPORTS.fullmatch(name) and (module_of(source.name) or name != GLOBALS):
                yield Violation(
                    source.path,
                    line,
                    f"uses {name}, which can import what no check sees. Write an import statement, "
                    "or move this to app.platform.",
                )


def _taken() -> Iterator[Violation]:
    """Find what is taken from a module's package that it does not define, or that nobody can see."""
    faces = {source.name: source.defined for source in read_sources()}
    for source in read_sources():
        own = module_of(source.name)
        for line, name in source.imports | source.reached:
            other, inside = module_of(name), name.split(".")[3:4]
            face = faces.get(f"app.modules.{other}")
            if face is None or other == own or not inside or inside == ["*"]:
                continue
            [what] = inside
            if f"app.modules.{other}.{what}" not in faces and (
                what not in face or what.startswith("_")
            ):
                yield Violation(
                    source.path,
                    line,
                    f"takes {what} from app.modules.{other}, whose interface does not define it. "
                    f"Use what {other}/__init__.py defines, or add what is missing.",
                )
        for line, name in source.handed:
            if name != f"app.modules.{own}" and (own or not name.startswith("app.platform")):
                yield Violation(
                    source.path,
                    line,
                    f"hands {name} on as a value, so that nobody sees what is taken from it. Name "
                    "what you need: `from … import …`.",
                )


def _misplaced() -> Iterator[Violation]:
    for folder in linked_folders():
        yield Violation(
            folder,
            1,
            "is a link, behind which no check reads. Put the folder itself here, or import from where "
            "it stands.",
        )
    for source in read_sources():
        module = module_of(source.name)
        if module and not (MODULES / module).is_dir():
            yield Violation(
                source.path,
                1,
                "belongs to no module. Move it into a module's folder or to app.platform.",
            )
    for module in module_names():
        if not (MODULES / module).is_dir():
            continue
        if not (MODULES / module / "__init__.py").is_file():
            yield Violation(
                toml_of(module),
                1,
                f"{module} has no __init__.py, and so no interface. Write one, or move the folder "
                "into a module's.",
            )
        if not (ROOT / toml_of(module)).is_file():
            yield Violation(
                f"src/app/modules/{module}/__init__.py",
                1,
                f"{module} has no module.toml. Write one with `owner` and `depends_on`, or move "
                "the folder into a module's.",
            )


def _unused(declared: Mapping[str, list[str]], used: Uses) -> Iterator[Violation]:
    for module, names in declared.items():
        for name in names:
            if name not in used.get(module, ()):
                lines = (ROOT / toml_of(module)).read_text("utf-8").splitlines()
                line = next((n for n, text in enumerate(lines, 1) if f'"{name}"' in text), 1)
                yield Violation(
                    toml_of(module),
                    line,
                    f'declares that {module} depends on "{name}", but nothing in it imports '
                    f"app.modules.{name} (tests do not count). Remove it from depends_on.",
                )


def _circles(used: Uses) -> Iterator[Violation]:
    """Find circles; each is cut once it is found, so that the next can be."""
    graph = {module: dict(others) for module, others in sorted(used.items())}
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = error.args[1][::-1]
            file, line = graph[circle[0]].pop(circle[1])
            yield Violation(
                file,
                line,
                f"imports app.modules.{circle[1]}, which closes the circle "
                f"{' → '.join(circle)}. Turn one call into an event, or move what both need into "
                "a module of its own.",
            )
        else:
            return


def _is_test(name: str) -> bool:
    return name.split(".")[3:4] == ["tests"]
