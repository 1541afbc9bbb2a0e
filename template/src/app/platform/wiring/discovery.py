"""Find the modules and read what each one declares.

Modules are discovered, never listed: a folder in `app.modules` is a module.
"""

import sys
import traceback
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from app.platform.cache import Cache
from app.platform.database import Database
from app.platform.flags import Flags
from app.platform.jobs import Events, Job, parameters_of, takes_tx
from app.platform.telemetry import ObjectivesError, read_objectives
from app.platform.wiring.module_toml import ModuleToml, read_modules, WiringError
from app.platform.wiring.modules import Module, ModuleFolder
from app.platform.wiring.moved_toml import Move, moves_of, open_renames


def discover(package: ModuleType) -> list[ModuleFolder]:
    """Read every module of a package, dependencies first.

    Raises WiringError where a module is incomplete or dependencies are missing or circular.
    """
    renames = open_renames(moves_of(package))
    folders = {each.name: _read(package, each, renames) for each in read_modules(package)}
    providers: dict[type, str] = {}
    for name, folder in folders.items():
        other = providers.setdefault(folder.interface, name)
        if other != name:
            raise WiringError(
                f"{other} and {name} both provide {folder.interface.__name__}: `build` in "
                "wiring.py must return the interface of its own module."
            )
    graph = {name: _dependencies(folder, providers) for name, folder in folders.items()}
    try:
        return [folders[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise WiringError(
            f"Modules depend on each other in a circle: {circle}. Turn one call into an event, or "
            "move what both need into a module of its own."
        ) from None


def _read(package: ModuleType, said: ModuleToml, renames: Mapping[str, Move]) -> ModuleFolder:
    name = said.name
    try:
        objectives = read_objectives(said.slo)
    except ObjectivesError as error:
        raise WiringError(f"{name}/module.toml: {error}.") from None
    wiring = f"{package.__name__}.{name}.wiring"
    try:
        declaration = getattr(import_module(wiring), "module", None)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == wiring:
            declaration = None
        else:
            raise WiringError(
                f"{name} cannot be imported: {type(error).__name__}: {error} ({_place(error, said.path)})."
            ) from error
    if not isinstance(declaration, Module):
        raise WiringError(f"{name}/wiring.py must define `module = Module(build, …)`.")
    interface = get_type_hints(declaration.build).get("return")
    if not isinstance(interface, type):
        raise WiringError(f"{name}/wiring.py: `build` must say which interface it returns.")
    for unlisted in _declared_jobs(f"{package.__name__}.{name}.jobs") - set(declaration.jobs):
        raise WiringError(
            f"{name}/jobs.py declares {unlisted.name}, which no worker would run: list it in "
            f"{name}/wiring.py, `Module(…, jobs=[…])`."
        )
    needs = parameters_of(declaration.build)
    return ModuleFolder(
        name,
        f"{package.__name__}.{name}",
        said.path,
        declaration,
        interface,
        said.depends_on,
        said.owner,
        needs,
        objectives,
        said.extensions,
        renames.get(name),
    )


def _place(error: Exception, folder: Path) -> str:
    """Return the file and line of a module that could not be imported, where they are known."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [each for each in frames if Path(each.filename).is_relative_to(folder)]
    return "{0.filename}, line {0.lineno}".format((ours or frames)[-1])


def _declared_jobs(file: str) -> set[Job[Any]]:
    values = vars(sys.modules[file]).values() if file in sys.modules else ()
    return {each for each in values if isinstance(each, Job) and each.function.__module__ == file}


def _dependencies(folder: ModuleFolder, providers: Mapping[type, str]) -> set[str]:
    owners = {kind.__module__: name for kind, name in providers.items()}
    needed = {
        owners.get(event.__module__, event.__module__) for event in folder.declaration.subscriptions
    }
    wanted = list(folder.needs.items())
    own = {Database, Events, Cache, Flags, folder.interface}
    if folder.declaration.routes is not None:
        wanted += parameters_of(folder.declaration.routes).items()
    for handler in (*folder.declaration.jobs, *folder.declaration.subscriptions.values()):
        function = handler.function if isinstance(handler, Job) else handler
        asked = list(parameters_of(function).items())[1 + takes_tx(function) :]
        wanted += [(name, kind) for name, kind in asked if kind in providers]
    for name, kind in wanted:
        if kind in own:
            continue
        if kind is object:
            raise WiringError(
                f"{folder.name}: the parameter `{name}` has no type, by which what it asks for is "
                "found. Annotate it."
            )
        if kind not in providers:
            raise WiringError(
                f"{folder.name}: nothing provides `{name}: {kind.__name__}`. Ask for "
                "`Database`, `Events`, `Cache`, `Flags` or the interface that another module's "
                "`build` returns."
            )
        needed.add(providers[kind])
    if undeclared := needed - set(folder.depends_on):
        raise WiringError(
            f"{folder.name}: wiring.py takes from {', '.join(sorted(undeclared))}, which "
            f"depends_on in {folder.name}/module.toml does not name. Add it there."
        )
    if unknown := set(folder.depends_on) - set(providers.values()):
        raise WiringError(
            f"{folder.name}/module.toml: depends_on names {', '.join(sorted(unknown))}, which is no "
            "module. Take it out, or correct it."
        )
    return set(folder.depends_on)
