"""Find the modules and give each one what it asks for.

Modules are discovered, never listed: a folder in `app.modules` is a module. What a module needs is
what its `build` function takes as parameters, found by type.
"""

import inspect
import pkgutil
import tomllib
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, cast, get_type_hints, TypeVar

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.boundary import at_boundary
from app.platform.database import Database, Tx
from app.platform.events import Event, Events, Handler, is_frozen

Interface = TypeVar("Interface")


class WiringError(Exception):
    """The modules do not fit together. The message names the module, the file and the remedy."""


@dataclass(frozen=True)
class Module:
    """What a module's `wiring.py` declares."""

    build: Callable[..., object]
    """Makes the implementation. Its return annotation is the interface that others depend on."""
    routes: Callable[..., APIRouter] | None = None
    """Makes the module's routes from its interface and its `Database`, found by type."""
    subscriptions: Mapping[type[Event], Handler] = field(default_factory=dict)
    """Which events of other modules it listens to, and what it does then."""


@dataclass(frozen=True)
class ModuleFolder:
    """A module as it stands in the source tree."""

    name: str
    package: str
    path: Path
    declaration: Module
    interface: type
    depends_on: Sequence[str]
    owner: str
    needs: Mapping[str, type]
    """The parameters of `build`, by name."""


@dataclass(frozen=True)
class Wired:
    """All modules, built. Look one up by its interface: `wired[Billing]`."""

    folders: Sequence[ModuleFolder]
    routers: Mapping[str, APIRouter]
    _instances: Mapping[type, object] = field(repr=False)

    def __getitem__(self, interface: type[Interface]) -> Interface:
        return cast(Interface, self._instances[interface])


def discover(package: ModuleType) -> list[ModuleFolder]:
    """Read every module of a package, dependencies first.

    Raises WiringError where a module is incomplete or dependencies are missing or circular.
    """
    names = [info.name for info in pkgutil.iter_modules(package.__path__) if info.ispkg]
    folders = {name: _read(package, name) for name in names}
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


def wire(folders: Sequence[ModuleFolder], engine: AsyncEngine) -> Wired:
    """Build the modules in the order given, each with its dependencies."""
    events = Events()
    instances: dict[type, object] = {Events: events}
    routers: dict[str, APIRouter] = {}
    for folder in folders:
        provided = instances | {Database: Database(engine, folder.name)}
        built = folder.declaration.build(**_pick(folder, folder.declaration.build, provided))
        try:
            outside = at_boundary(folder.interface, built, folder.name)
        except AttributeError as error:
            raise WiringError(
                f"{folder.name}: what `build` returns is no {folder.interface.__name__}: {error}."
            ) from None
        instances[folder.interface] = provided[folder.interface] = outside
        if (routes := folder.declaration.routes) is not None:
            routers[folder.name] = routes(**_pick(folder, routes, provided))
        for event, handler in folder.declaration.subscriptions.items():
            events.subscribe(folder.name, event, _handler(folder, event, handler, provided))
    return Wired(folders, routers, instances)


def _handler(
    folder: ModuleFolder, event: type[Event], handler: Handler, provided: Mapping[type, object]
) -> Handler:
    """Return a handler that takes `tx` and the event, and has the interfaces it asks for."""
    kinds = list(_parameters(handler).values())
    if kinds[:2] != [Tx, event]:
        raise WiringError(
            f"{folder.name}/wiring.py: {handler.__name__} must begin with `tx: Tx, event: "
            f"{event.__name__}`, the event it is subscribed to."
        )
    if not is_frozen(event):
        raise WiringError(
            f"{event.__module__}: {event.__name__} must be a `@dataclass(frozen=True)`, since all "
            "who listen receive the same one."
        )
    return partial(handler, **_pick(folder, handler, provided, given=2))


def _pick(
    folder: ModuleFolder,
    function: Callable[..., Any],
    provided: Mapping[type, object],
    given: int = 0,
) -> dict[str, object]:
    """Return what the parameters of a function ask for, but for the first ones that are given."""
    wanted = list(_parameters(function).items())[given:]
    for name, kind in wanted:
        if kind not in provided:
            raise WiringError(
                f"{folder.name}: nothing provides `{name}: {getattr(kind, '__name__', kind)}` of "
                f"{function.__name__}. Ask for `Database`, `Events`, or an interface that the "
                "module's `depends_on` names."
            )
    return {name: provided[kind] for name, kind in wanted}


def _read(package: ModuleType, name: str) -> ModuleFolder:
    path = Path(next(iter(package.__path__))) / name
    try:
        metadata = tomllib.loads((path / "module.toml").read_text("utf-8"))
        owner, depends_on = metadata["owner"], metadata["depends_on"]
        if not isinstance(depends_on, list):
            raise ValueError("depends_on is no list")
    except (OSError, KeyError, ValueError) as error:
        raise WiringError(
            f'{name}/module.toml must say `owner = "@organisation/team"` and `depends_on = []` '
            f"({type(error).__name__}: {error})."
        ) from None
    wiring = f"{package.__name__}.{name}.wiring"
    try:
        declaration = getattr(import_module(wiring), "module", None)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == wiring:
            declaration = None
        else:
            where = traceback.extract_tb(error.__traceback__)[-1]
            raise WiringError(
                f"{name} cannot be imported: {type(error).__name__}: {error} "
                f"({where.filename}, line {where.lineno})."
            ) from error
    if not isinstance(declaration, Module):
        raise WiringError(f"{name}/wiring.py must define `module = Module(build, …)`.")
    interface = get_type_hints(declaration.build).get("return")
    if not isinstance(interface, type):
        raise WiringError(f"{name}/wiring.py: `build` must say which interface it returns.")
    needs = _parameters(declaration.build)
    return ModuleFolder(
        name, f"{package.__name__}.{name}", path, declaration, interface, depends_on, owner, needs
    )


def _parameters(function: Callable[..., Any]) -> dict[str, type]:
    hints = get_type_hints(function)
    return {name: hints.get(name, object) for name in inspect.signature(function).parameters}


def _dependencies(folder: ModuleFolder, providers: Mapping[type, str]) -> set[str]:
    owners = {kind.__module__: name for kind, name in providers.items()}
    needed = {
        owners.get(event.__module__, event.__module__) for event in folder.declaration.subscriptions
    }
    wanted = dict(folder.needs)
    if folder.declaration.routes is not None:
        own = {Database, Events, folder.interface}
        routes = _parameters(folder.declaration.routes)
        wanted |= {name: kind for name, kind in routes.items() if kind not in own}
    for name, kind in wanted.items():
        if kind in (Database, Events):
            continue
        if kind is object:
            raise WiringError(
                f"{folder.name}: the parameter `{name}` has no type, by which what it asks for is "
                "found. Annotate it."
            )
        if kind not in providers:
            raise WiringError(
                f"{folder.name}: nothing provides `{name}: {kind.__name__}`. Ask for "
                "`Database`, `Events` or the interface that another module's `build` returns."
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
