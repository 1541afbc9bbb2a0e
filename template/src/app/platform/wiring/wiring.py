"""Give each module what it asks for: what its `build` takes as parameters, found by type."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast, TypeVar

from fastapi import APIRouter
from pydantic import PydanticSchemaGenerationError, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.cache import Cache, CacheStore
from app.platform.database import Database, Replica, Tx
from app.platform.flags import Flags
from app.platform.jobs import (
    BoundJob,
    Delivery,
    Event,
    Events,
    Handler,
    is_frozen,
    is_valid_cron,
    Job,
    name_of,
    Options,
    parameters_of,
    takes_tx,
)
from app.platform.wiring.boundary import at_boundary, Instrument
from app.platform.wiring.interfaces import InterfaceError
from app.platform.wiring.module_toml import WiringError
from app.platform.wiring.modules import ModuleFolder

Interface = TypeVar("Interface")

_LONGEST_DEADLINE = 1_000_000


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
            _add(known, _job(folder, each, provided))
        for event, handler in folder.declaration.subscriptions.items():
            subscriber = _subscriber(folder, event, handler, provided)
            _add(known, subscriber)
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
                absent[folder.interface] = _Absent(folder.name)
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
        made = folder.declaration.build(**_pick(folder, folder.declaration.build, provided))
        instances[folder.interface] = provided[folder.interface] = outside(folder, made)
        if (routes := folder.declaration.routes) is not None:
            routers[folder.name] = routes(**_pick(folder, routes, provided))
        declare(folder, provided)
        built.append(folder)
    here = {folder.name for folder in built}
    jobs = {name: job for name, job in known.items() if job.module in here}
    return Wired(built, routers, jobs, known, instances)


@dataclass(frozen=True)
class _Absent:
    """Stands for a module that is not served here, and nobody has said where it is."""

    name: str


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


def _job(folder: ModuleFolder, job: Job[Any], provided: Mapping[type, object] | None) -> BoundJob:
    """Return a job that has the interfaces it asks for; with none provided, it is run elsewhere."""
    name = name_of(job.function)
    if job.function.__module__ != f"{folder.package}.jobs":
        raise WiringError(
            f"{folder.name}/wiring.py lists the job {name} of {job.function.__module__}: a module's "
            "jobs stand in its own jobs.py, which names them."
        )
    kinds = list(parameters_of(job.function).values())[takes_tx(job.function) :]
    if kinds[:1] == [Delivery] or not is_frozen((*kinds, object)[0]):
        raise WiringError(
            f"{folder.name}/jobs.py: {name} must begin with `tx: Tx` and its arguments, a "
            "`@dataclass(frozen=True)`; or with its arguments, to run without a transaction."
        )
    if (cron := job.options.cron) is not None:
        if not is_valid_cron(cron):
            raise WiringError(
                f"{folder.name}/jobs.py: cron={cron!r} of {name} names no times. Write five fields: "
                "minute, hour, day, month, weekday, such as `0 3 * * *`."
            )
        try:
            kinds[0]()
        except Exception as error:  # A default may be made by whatever the team has written.
            raise WiringError(
                f"{folder.name}/jobs.py: {name} has a cron, so that each field of "
                f"{kinds[0].__name__} needs a default: {error}."
            ) from None
    return _bind(folder, job.function, kinds[0], job.options, provided)


def _subscriber(
    folder: ModuleFolder,
    event: type[Event],
    handler: Handler | Job[Any],
    provided: Mapping[type, object] | None,
) -> BoundJob:
    """Return the job that an event is for this subscriber; with none provided, it is run elsewhere."""
    function, options = (
        (handler.function, handler.options) if isinstance(handler, Job) else (handler, Options())
    )
    if list(parameters_of(function).values())[takes_tx(function) :][:1] != [event]:
        raise WiringError(
            f"{folder.name}/wiring.py: {name_of(function)} must begin with `tx: Tx, event: "
            f"{event.__name__}`, the event it is subscribed to; or with that event, to run without a "
            "transaction."
        )
    if not is_frozen(event):
        raise WiringError(
            f"{event.__module__}: {event.__name__} must be a `@dataclass(frozen=True)`, since all "
            "who listen receive the same one."
        )
    return _bind(folder, function, event, options, provided)


def _bind(
    folder: ModuleFolder,
    function: Handler,
    arguments: type,
    options: Options,
    provided: Mapping[type, object] | None,
) -> BoundJob:
    name = f"{folder.name}.{name_of(function)}"
    if not 0 < (options.deadline or 0) <= _LONGEST_DEADLINE:
        raise WiringError(
            f"{name}: deadline={options.deadline} is no number of seconds between 0 and "
            f"{_LONGEST_DEADLINE}: a job that may take longer does its work in parts."
        )
    deliveries = [each for each, kind in parameters_of(function).items() if kind is Delivery]
    joins, interfaces = takes_tx(function), dict[str, object]()
    if provided is not None:
        wanted = _pick(folder, function, {**provided, Delivery: None}, given=1 + joins)
        interfaces = {each: given for each, given in wanted.items() if each not in deliveries}
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(arguments)
    except PydanticSchemaGenerationError as error:
        raise WiringError(
            f"{name}: {arguments.__name__} cannot be written as JSON, in which it waits in the "
            f"queue: {error.message.splitlines()[0]}"
        ) from None
    bound = partial(function, **interfaces)
    delivery = next(iter(deliveries), None)
    former = folder.former_name_of(name_of(function))
    return BoundJob(name, folder.name, options, bound, delivery, adapter, arguments, former, joins)


def _add(jobs: dict[str, BoundJob], job: BoundJob) -> None:
    if job.name in jobs:
        raise WiringError(
            f"{job.module}/wiring.py: two jobs or subscriptions are named {job.name}. List each "
            "once, and give each function a name of its own."
        )
    jobs[job.name] = job


def _pick(
    folder: ModuleFolder,
    function: Callable[..., Any],
    provided: Mapping[type, object],
    given: int = 0,
) -> dict[str, object]:
    """Return what the parameters of a function ask for, but for the first ones that are given."""
    wanted = list(parameters_of(function).items())[given:]
    for name, kind in wanted:
        if kind is Tx and given:
            raise WiringError(
                f"{folder.name}: `{name}: Tx` of {function.__name__} must be its first parameter."
            )
        if kind not in provided:
            raise WiringError(
                f"{folder.name}: nothing provides `{name}: {getattr(kind, '__name__', kind)}` of "
                f"{function.__name__}. Ask for `Database`, `Events`, `Cache`, `Flags`, or an "
                "interface that the module's `depends_on` names."
            )
        if isinstance(other := provided[kind], _Absent):
            raise WiringError(
                f"{folder.name} is served here and calls {other.name}, which is not: name its "
                f"address in REMOTE_MODULES, {other.name}=http://{other.name}:8000, or serve both by "
                "MODULES."
            )
    return {name: provided[kind] for name, kind in wanted}
