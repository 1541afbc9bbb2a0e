"""Give each module what it asks for: what its `build` takes as parameters, found by type."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast, TypeVar

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.cache import Cache, CacheStore
from app.platform.database import Database, Replica
from app.platform.flags import Flags
from app.platform.jobs import BoundJob, Events
from app.platform.wiring.binding import Absent, add_job, bind_job, bind_subscriber, pick
from app.platform.wiring.boundary import at_boundary, Instrument
from app.platform.wiring.interfaces import InterfaceError
from app.platform.wiring.module_toml import WiringError
from app.platform.wiring.modules import ModuleFolder

Interface = TypeVar("Interface")


@dataclass(frozen=True)
class Wired:
    """Modules, built. Look one up by its interface: `wired[Billing]`.

    `wired[Events]` is where a test publishes.
    """

    folders: Sequence[ModuleFolder]
    """Those that this process serves."""
    routers: Mapping[str, APIRouter]
    jobs: Mapping[str, BoundJob]
    """What a worker runs, by name: jobs, and one for each subscription."""
    known: Mapping[str, BoundJob]
    """Those, and what workers of other processes run: all that may stand in the queue."""
    _instances: Mapping[type, object] = field(repr=False)

    def __getitem__(self, interface: type[Interface]) -> Interface:
        """Return what other modules get. Raises WiringError for one that was not built."""
        if interface not in self._instances:
            raise WiringError(f"{interface.__name__} is not part of what was wired here.")
        return cast(Interface, self._instances[interface])


def wire(
    folders: Sequence[ModuleFolder],
    engine: AsyncEngine,
    *,
    replica: Replica | None = None,
    cache: CacheStore | None = None,
    only: type | None = None,
    fakes: Mapping[type, object] | None = None,
    instrument: Instrument | None = None,
    served: Collection[str] | None = None,
    elsewhere: Callable[[ModuleFolder], object | None] | None = None,
) -> Wired:
    """Build the modules in the order given, each with its dependencies.

    Reads may go to `replica`; what modules cache is kept in `cache`, or in memory.
    `instrument` is handed each method that other modules may call, and may replace it.
    Only modules that are `served` are built, routed to, and run jobs. Another one is called through
    what `elsewhere` returns for it; the events that it listens to are written for it all the same.
    For tests: `only` builds one module and what it depends on, step by step down, and nothing else;
    `fakes` stand, by interface, for modules that are not built then, nor what only those need.
    Raises WiringError where something does not fit.
    """

    def outside(folder: ModuleFolder, implementation: object) -> object:
        try:
            return at_boundary(folder.interface, implementation, folder.name, instrument)
        except InterfaceError as error:
            raise WiringError(f"{folder.name}: {error}") from None

    def declare(folder: ModuleFolder, provided: Mapping[type, object] | None) -> None:
        for each in folder.declaration.jobs:
            add_job(known, bind_job(folder, each, provided))
        for event, handler in folder.declaration.subscriptions.items():
            subscriber = bind_subscriber(folder, event, handler, provided)
            add_job(known, subscriber)
            events.subscribe(event, subscriber)

    fakes = fakes or {}
    events, cache = Events(), cache or CacheStore()
    instances: dict[type, object] = {Events: events}
    routers: dict[str, APIRouter] = {}
    known: dict[str, BoundJob] = {}
    built = []
    absent: dict[type, object] = {}
    for folder in _part(folders, only, fakes):
        if folder.interface in fakes:
            instances[folder.interface] = outside(folder, fakes[folder.interface])
            continue
        if served is not None and folder.name not in served:
            declare(folder, None)
            if elsewhere is None or (client := elsewhere(folder)) is None:
                absent[folder.interface] = Absent(folder.name)
            else:
                instances[folder.interface] = outside(folder, client)
            continue
        provided = {
            **absent,
            **instances,
            Database: Database(engine, folder.name, replica),
            Cache: Cache(cache, folder.name),
            Flags: Flags(folder.name),
        }
        made = folder.declaration.build(**pick(folder, folder.declaration.build, provided))
        instances[folder.interface] = provided[folder.interface] = outside(folder, made)
        if (routes := folder.declaration.routes) is not None:
            routers[folder.name] = routes(**pick(folder, routes, provided))
        declare(folder, provided)
        built.append(folder)
    here = {folder.name for folder in built}
    jobs = {name: job for name, job in known.items() if job.module in here}
    return Wired(built, routers, jobs, known, instances)


def _part(
    folders: Sequence[ModuleFolder], only: type | None, fakes: Mapping[type, object]
) -> list[ModuleFolder]:
    """Return the modules to build or to fake, in the order given."""
    by_interface = {folder.interface: folder for folder in folders}
    for interface in [*fakes, *([only] if only else [])]:
        if interface not in by_interface:
            raise WiringError(
                f"No module provides {interface.__name__}: name an interface that the `build` of a "
                "module returns."
            )
    if only is None:
        return list(folders)
    by_name = {folder.name: folder for folder in folders}
    needed = {by_interface[interface].name for interface in fakes}
    reached = [by_interface[only].name]
    while reached:
        name = reached.pop()
        if name not in needed:
            needed.add(name)
            reached += by_name[name].depends_on
    return [folder for folder in folders if folder.name in needed]
