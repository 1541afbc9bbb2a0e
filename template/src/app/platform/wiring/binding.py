"""Give functions what their parameters ask for, by type: what builds a module, makes its routes, does jobs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import PydanticSchemaGenerationError, TypeAdapter

from app.platform.database import Tx
from app.platform.jobs import (
    BoundJob,
    Delivery,
    Event,
    Handler,
    is_frozen,
    is_valid_cron,
    Job,
    name_of,
    Options,
    parameters_of,
    takes_tx,
)
from app.platform.wiring.module_toml import WiringError
from app.platform.wiring.modules import ModuleFolder

_LONGEST_DEADLINE = 1_000_000


@dataclass(frozen=True)
class Absent:
    """Stands for a module that is not served here, and nobody has said where it is."""

    name: str


def bind_job(
    folder: ModuleFolder, job: Job[Any], provided: Mapping[type, object] | None
) -> BoundJob:
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


def bind_subscriber(
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
        wanted = pick(folder, function, {**provided, Delivery: None}, given=1 + joins)
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


def add_job(jobs: dict[str, BoundJob], job: BoundJob) -> None:
    if job.name in jobs:
        raise WiringError(
            f"{job.module}/wiring.py: two jobs or subscriptions are named {job.name}. List each "
            "once, and give each function a name of its own."
        )
    jobs[job.name] = job


def pick(
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
        if isinstance(other := provided[kind], Absent):
            raise WiringError(
                f"{folder.name} is served here and calls {other.name}, which is not: name its "
                f"address in REMOTE_MODULES, {other.name}=http://{other.name}:8000, or serve both by "
                "MODULES."
            )
    return {name: provided[kind] for name, kind in wanted}
