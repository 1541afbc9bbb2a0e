"""The wrapper between two modules, made once when the application is wired."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import wraps
from types import SimpleNamespace
from typing import Any, cast, TypeVar

from app.platform.database import (
    in_transaction,
    is_inside,
    is_of_this_task,
    TransactionError,
    Tx,
    view_of,
)
from app.platform.wiring.interfaces import Method, method_of, promises_of

Interface = TypeVar("Interface")


@dataclass(frozen=True, slots=True)
class BoundaryCall:
    """A method that other modules may call."""

    module: str
    method: str
    joins: bool
    """Whether it takes `tx` and joins its caller's transaction."""
    is_async: bool
    """Whether the interface declares it `async def`, so that a call returns when it is awaited."""
    streams: bool = False
    """Whether it returns an asynchronous iterator, so that a call ends when that is read."""


Instrument = Callable[[BoundaryCall, Method], Method]
"""Takes a method as its callers get it and returns what they get instead, to time its calls and see
their errors: the module's own, and those of a call that the boundary refuses."""


class CallError(Exception):
    """A call that the boundary refuses, or that does not fit: its caller's mistake."""

    is_told = False
    """Whether it was told of already: on its way out it passes those who made the mistake."""


class TransactionCallError(CallError, TransactionError):
    """A call with a transaction that cannot be used, or inside one that it cannot join."""


class ArgumentsError(CallError, TypeError):
    """A call with arguments that the method does not take."""


def at_boundary(
    interface: type[Interface],
    implementation: Interface,
    module: str,
    instrument: Instrument | None = None,
) -> Interface:
    """Return what other modules get instead of `implementation`: the methods of `interface`.

    A method whose first parameter is `tx: Tx` receives its own module's view of the caller's
    transaction, so that its statements run under its own role. Any other method stands alone and
    is refused inside a transaction.
    Raises InterfaceError where the interface holds anything else, and where the implementation
    lacks a method or takes other parameters.
    """
    methods = {}
    for promise in promises_of(interface):
        method = method_of(implementation, interface, promise)
        wrap = _joining if promise.joins else _standing_alone
        method = wrap(method, module, promise.is_async, promise.streams)
        if instrument is not None:
            call = BoundaryCall(
                module, promise.name, promise.joins, promise.is_async, promise.streams
            )
            method = instrument(call, method)
        methods[promise.name] = method
    return cast(Interface, SimpleNamespace(**methods))


async def read(
    begin: Callable[[], AsyncIterator[Any]],
    step: Callable[[], AbstractContextManager[object]],
    check: Callable[[], Awaitable[None] | None] = lambda: None,
) -> AsyncGenerator[Any, None]:
    """Yield what a stream yields. Only while `step` lasts does its module run, and not before
    `check`; between two items its caller does."""
    if (waiting := check()) is not None:
        await waiting
    with step():
        stream = begin()
    try:
        while True:
            if (waiting := check()) is not None:
                await waiting
            with step():
                try:
                    item = await anext(stream)
                except StopAsyncIteration:
                    return
            yield item
    finally:
        if (close := getattr(stream, "aclose", None)) is not None:
            with step():
                await close()


def _joining(method: Method, module: str, is_async: bool, streams: bool) -> Method:
    """Hand over the module's view of the transaction. What fails in it is undone, even if caught:
    a method may raise when half of its work is done."""

    def refusal(error: Exception, tx: Any) -> Exception:
        if not isinstance(tx, Tx):
            return TransactionCallError(
                f"{module}.{method.__name__} joins its caller's transaction: pass `tx` first."
            )
        return TransactionCallError(str(error)) if isinstance(error, TransactionError) else error

    def view(tx: Any) -> Tx:
        try:
            return view_of(tx, module)
        except Exception as error:
            raise refusal(error, tx) from None

    def fail(error: BaseException, tx: Tx, *args: Any, **kwargs: Any) -> None:
        tx.undo()
        if isinstance(error, TransactionError) and not is_of_this_task(tx):
            raise TransactionCallError(str(error)) from None
        _check_arguments(error, module, method, tx, *args, **kwargs)

    @wraps(method)
    async def join(tx: Any = None, *args: Any, **kwargs: Any) -> Any:
        try:  # As `view`, but for one call less on the way that everything takes.
            own = view_of(tx, module)
        except Exception as error:
            raise refusal(error, tx) from None
        try:
            return await method(own, *args, **kwargs)
        except BaseException as error:
            fail(error, tx, *args, **kwargs)
            raise

    @wraps(method)
    def join_sync(tx: Any = None, *args: Any, **kwargs: Any) -> Any:
        own = view(tx)
        try:
            return method(own, *args, **kwargs)
        except BaseException as error:
            fail(error, tx, *args, **kwargs)
            raise

    @wraps(method)
    def join_stream(tx: Any = None, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        @contextmanager
        def step() -> Iterator[None]:
            try:
                yield
            except BaseException as error:
                fail(error, tx, *args, **kwargs)
                raise

        def check() -> None:
            view(tx)

        return read(lambda: method(view(tx), *args, **kwargs), step, check)

    return join_stream if streams else join if is_async else join_sync


def _standing_alone(method: Method, module: str, is_async: bool, streams: bool) -> Method:
    # It would need a second connection while the first is held, which deadlocks the pool; and as a
    # service of its own, it would be a network call inside a transaction.
    refused = (
        f"{module}.{method.__name__} does not take `tx`, so it cannot be called inside a transaction: "
        "call it before or after the block, or give it `tx: Tx` as its first parameter."
    )

    async def refuse_inside() -> None:
        if await is_inside():
            raise TransactionCallError(refused)

    async def call_outside(*args: Any, **kwargs: Any) -> Any:
        await refuse_inside()
        return await stand_alone(*args, **kwargs)

    @wraps(method)
    def stand_alone(*args: Any, **kwargs: Any) -> Any:
        if in_transaction():
            if is_async:
                return call_outside(*args, **kwargs)
            raise TransactionCallError(refused)
        try:
            return method(*args, **kwargs)
        except TypeError as error:
            _check_arguments(error, module, method, *args, **kwargs)
            raise

    @wraps(method)
    def stream_alone(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        reads = False  # Whether the stream has left a read of its own open, for the next item.

        def check_outside() -> Awaitable[None] | None:
            return refuse_inside() if not reads and in_transaction() else None

        @contextmanager
        def step() -> Iterator[None]:
            nonlocal reads
            try:
                yield
            except TypeError as error:
                _check_arguments(error, module, method, *args, **kwargs)
                raise
            finally:
                reads = in_transaction()

        return read(lambda: method(*args, **kwargs), step, check_outside)

    return stream_alone if streams else stand_alone


def _check_arguments(
    error: BaseException, module: str, method: Method, *args: Any, **kwargs: Any
) -> None:
    """Raise ArgumentsError if that is why a method could not be called."""
    if isinstance(error, TypeError):
        try:
            inspect.signature(method).bind(*args, **kwargs)
        except TypeError as misfit:
            raise ArgumentsError(f"{module}.{method.__name__}: {misfit}.") from None
