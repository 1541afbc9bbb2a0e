"""Jobs: what can wait is done later, by `app worker`.

A job is a function in a module's `jobs.py`, listed in its `wiring.py`:

    @job(retries=10, deadline=30)
    async def send_receipt(tx: Tx, receipt: Receipt, billing: Billing) -> None: ...

    await send_receipt.enqueue(tx, Receipt(order_id))

The second parameter holds the arguments, a frozen dataclass; after it come interfaces, found by
type. It exists only if the transaction that enqueued it committed. What it writes is committed together
with its being done, so once. Anything else it does may happen **more than once**: a worker can die
after the e-mail was sent and before the commit. `delivery: Delivery` holds a key by which whoever
receives such an effect recognises the second one.

One that begins with its arguments has no transaction:

    @job()
    async def charge(order: Order, billing: Billing, db: Database, delivery: Delivery) -> None: ...

It may call methods without `tx`, and open transactions of its own; all of it may happen more than once.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import (
    Any,
    Concatenate,
    Generic,
    overload,
    Protocol,
    TYPE_CHECKING,
    TypeVar,
)

from pydantic import TypeAdapter, ValidationError

from app.platform.database import Tx
from app.platform.jobs import queue
from app.platform.jobs.functions import name_of, parameters_of, takes_tx
from app.platform.jobs.queue import NewJob
from app.platform.jobs.shapes import changed, members_of, renumbered, shape_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

A = TypeVar("A")
D = TypeVar("D", bound="DataclassInstance")

InTransaction = Callable[Concatenate[Tx, A, ...], Awaitable[None]]
"""A job that runs in a transaction, which takes it from the queue as well: both or neither."""
Alone = Callable[Concatenate[A, ...], Awaitable[None]]
"""A job that has no transaction, and is taken from the queue when it has ended."""
JobFunction = InTransaction[A] | Alone[A]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Which job this is. A job asks for it by type: `delivery: Delivery`."""

    key: str
    """The same at every attempt, and no other job's: an idempotency key for what is outside."""
    attempt: int
    """1 for the first. A worker that died does not count as one."""


class ArgumentsError(Exception):
    """A job's arguments are not what its code takes; tells which, and what to do."""

    def __init__(self, name: str, wrong: str) -> None:
        super().__init__(
            f"The arguments of {name} do not fit its code: {wrong}. Give a new field a default, take a "
            "removed one back in, or mend what enqueues it; deploy, and run `app jobs retry`; or `app "
            "jobs drop`."
        )
        self.wrong = wrong


@dataclass(frozen=True, slots=True)
class Options:
    """How a job is run. See `job`."""

    retries: int = 10
    deadline: float = 30
    priority: int = 0
    concurrency: int = 0
    cron: str | None = None


@dataclass(frozen=True)
class Job(Generic[A]):
    """A job as its module declares it."""

    function: JobFunction[A]
    options: Options

    @property
    def name(self) -> str:
        """`<module>.<function>`, as the queue knows it."""
        return f"{self.function.__module__.split('.')[-2]}.{name_of(self.function)}"

    async def enqueue(
        self,
        tx: Tx,
        arguments: A,
        *,
        delay: timedelta = timedelta(0),
        priority: int | None = None,
        key: str | None = None,
    ) -> bool:
        """Write a job in the caller's transaction. It runs after the commit, `delay` later.

        Jobs of higher priority run first. While a job with the same `key` waits or runs, no other
        is written: then this returns False.
        """
        if priority is None:
            priority = self.options.priority
        new = _new_job(self.name, self._adapter, arguments, priority, delay, key)
        return await queue.enqueue(tx, [new]) == 1

    @cached_property
    def _adapter(self) -> TypeAdapter[A]:
        return TypeAdapter(list(parameters_of(self.function).values())[takes_tx(self.function)])


class Declare(Protocol):
    """Makes a job of a function."""

    @overload
    def __call__(self, function: InTransaction[A], /) -> Job[A]: ...

    @overload
    def __call__(self, function: Alone[D], /) -> Job[D]: ...


def job(
    *,
    retries: int = 10,
    deadline: float = 30,
    priority: int = 0,
    concurrency: int = 0,
    cron: str | None = None,
) -> Declare:
    """Declare a job.

    `retries`: how often it is tried again after an error, after about 1, 2, 4 … seconds, at most ten
    minutes. The default goes on for a quarter of an hour. Then it is held.
    `deadline`: seconds that one attempt may take.
    `priority`: jobs of a higher one run first.
    `concurrency`: how many run at once, in all workers together; 0 sets no limit.
    `cron`: when it is enqueued by itself, in UTC, with arguments that all have defaults:
    `0 3 * * *` is every night at three. Once for each time, however many workers there are.
    """
    options = Options(retries, deadline, priority, concurrency, cron)

    def declare(function: JobFunction[A]) -> Job[A]:
        return Job(function, options)

    return declare


@dataclass(frozen=True)
class BoundJob:
    """A job that has what it asks for, as a worker runs it; made when the application is wired."""

    name: str
    module: str
    options: Options
    function: Callable[..., Awaitable[None]]
    """Takes the arguments, after `tx` where `takes_tx`; the interfaces are bound already."""
    delivery: str | None
    """The parameter that asks for the `Delivery`."""
    adapter: TypeAdapter[Any]
    default: Callable[[], object]
    """Makes the arguments of one that is enqueued by the clock."""
    former: str | None = None
    """What it is called in the queue, while the release before its module was renamed may still run."""
    takes_tx: bool = True
    """Whether it runs in a transaction, which takes it from the queue as well."""

    @property
    def names(self) -> list[str]:
        """All under which it may stand in the queue."""
        return [self.name, *([self.former] if self.former else [])]

    def write(self, arguments: object) -> NewJob:
        """Return a job with these arguments, to be enqueued."""
        return _new_job(self.name, self.adapter, arguments, self.options.priority)

    @property
    def shape(self) -> str:
        """What its arguments look like in this version of the code."""
        return shape_of(self.name, self.adapter)

    def read(self, written: bytes | None, headers: Mapping[str, object] | None = None) -> object:
        """Return the arguments of a job that was written, perhaps by another version of the code.

        Raises ArgumentsError where they do not fit this one, or are only similar to what it takes.
        """
        written, is_foreign = written or b"null", self.is_foreign(headers)
        try:
            arguments = self.adapter.validate_json(
                written, strict=is_foreign or None, extra="forbid"
            )
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, each['loc'])) or 'all'}: {each['msg']}"
                for each in error.errors()
            )
            raise ArgumentsError(self.name, wrong) from None
        if is_foreign and headers is not None:
            if other := renumbered(headers.get("members"), members_of(self.adapter)):
                raise ArgumentsError(self.name, other)
            if where := changed(self.adapter, written, arguments):
                raise ArgumentsError(self.name, f"{where}: would become another value")
        return arguments

    def is_foreign(self, headers: Mapping[str, object] | None) -> bool:
        """Say whether another version of the code wrote a job."""
        shape = (headers or {}).get("shape")
        return shape is not None and shape != self.shape

    async def run(self, tx: Tx | None, arguments: object, delivery: Delivery) -> None:
        """Run the function; in the module's view of a transaction, if it takes one."""
        more = {self.delivery: delivery} if self.delivery else {}
        given = (arguments,) if tx is None else (tx, arguments)
        await self.function(*given, **more)


def by_any_name(jobs: Mapping[str, BoundJob]) -> dict[str, BoundJob]:
    """Return jobs by all names under which they may stand in the queue."""
    return {name: job for job in jobs.values() for name in job.names}


def _new_job(
    name: str,
    adapter: TypeAdapter[Any],
    arguments: object,
    priority: int,
    delay: timedelta = timedelta(0),
    key: str | None = None,
) -> NewJob:
    written = adapter.dump_json(arguments)
    return NewJob(name, written, priority, delay, key, shape_of(name, adapter), members_of(adapter))
