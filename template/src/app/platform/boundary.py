"""The wrapper between two modules, made once when the application is wired."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from types import SimpleNamespace
from typing import Any, cast, get_type_hints, TypeVar

from app.platform.database import in_transaction, Tx
from app.platform.engine import TransactionError
from app.platform.transaction import view_of

Interface = TypeVar("Interface")
Method = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class BoundaryCall:
    """A method that other modules may call."""

    module: str
    method: str
    joins: bool
    """Whether it takes `tx` and joins its caller's transaction."""
    is_async: bool
    """Whether the interface declares it `async def`, so that a call returns when it is awaited."""


Instrument = Callable[[BoundaryCall, Method], Method]
"""Takes a method as its callers get it and returns what they get instead, to time its calls and see
their errors: the module's own, and those of a call that the boundary refuses."""


class InterfaceError(Exception):
    """An implementation does not keep what its interface promises; names the method."""


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
    Raises InterfaceError where the implementation lacks a method or takes other parameters, and
    where `tx` is not the first.
    """
    methods = {}
    for name, promised in inspect.getmembers(interface, inspect.isfunction):
        if name.startswith("_"):
            continue
        joins = takes_tx(promised)
        if not joins and Tx in get_type_hints(promised).values():
            raise InterfaceError(
                f"{interface.__name__}.{name} takes a transaction, but not first: declare it as "
                f"`{name}(self, tx: Tx, …)`."
            )
        method = _implemented(interface, implementation, promised)
        is_async = inspect.iscoroutinefunction(promised)
        method = _joining(method, module, is_async) if joins else _standing_alone(method, module)
        if instrument is not None:
            method = instrument(BoundaryCall(module, name, joins, is_async), method)
        methods[name] = method
    return cast(Interface, SimpleNamespace(**methods))


def takes_tx(method: Method) -> bool:
    """Say whether a method of an interface joins its caller's transaction."""
    names = list(inspect.signature(method).parameters)
    return names[1:2] == ["tx"] and get_type_hints(method).get("tx") is Tx


def _implemented(interface: type, implementation: object, promised: Method) -> Method:
    """Return a method of an implementation that can be called as the interface promises."""
    name = promised.__name__
    method: Method | None = getattr(implementation, name, None)
    # A subclass of the interface inherits the empty method from it.
    if method is None or getattr(method, "__func__", None) is promised:
        raise InterfaceError(
            f"{type(implementation).__name__} lacks `{name}`, which {interface.__name__} promises: "
            "add the method."
        )
    own = inspect.signature(method)
    bound = inspect.signature(promised.__get__(implementation))
    if not _accepts(own, bound):
        raise InterfaceError(
            f"{type(implementation).__name__}.{name}{_names(own)} cannot be called as "
            f"{interface.__name__}.{name}{_names(bound)} promises: give its parameters the same "
            "names in the same order, and any more of them a default."
        )
    return method


def _accepts(own: inspect.Signature, promised: inspect.Signature) -> bool:
    """Say whether each call that fits `promised` means the same to `own`: mypy ignores names.

    Tries four calls that give each parameter its own name: all of them or only those that must be
    given, by position or by keyword.
    """
    parameters = promised.parameters.values()
    for some in (parameters, [each for each in parameters if each.default is each.empty]):
        nameless = [None for each in some if each.kind is each.POSITIONAL_ONLY]
        either = [each.name for each in some if each.kind is each.POSITIONAL_OR_KEYWORD]
        keywords = [each.name for each in some if each.kind is each.KEYWORD_ONLY]
        for positions, rest in ((either, keywords), ([], either + keywords)):
            try:
                bound = own.bind(*nameless, *positions, **{name: name for name in rest})
            except TypeError:
                return False
            if any(isinstance(got, str) and got != name for name, got in bound.arguments.items()):
                return False
    return True


def _names(signature: inspect.Signature) -> str:
    parameters = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=signature.empty))


def _joining(method: Method, module: str, is_async: bool) -> Method:
    """Hand over the module's view of the transaction. What fails in it is undone, even if caught:
    a method may raise when half of its work is done."""

    @wraps(method)
    async def join(tx: Tx, *args: Any, **kwargs: Any) -> Any:
        try:
            return await method(view_of(tx, module), *args, **kwargs)
        except BaseException:
            _undo(tx, module, method)
            raise

    @wraps(method)
    def join_sync(tx: Tx, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(view_of(tx, module), *args, **kwargs)
        except BaseException:
            _undo(tx, module, method)
            raise

    return join if is_async else join_sync


def _undo(tx: object, module: str, method: Method) -> None:
    if not isinstance(tx, Tx):
        raise TransactionError(
            f"{module}.{method.__name__} joins its caller's transaction: pass `tx` first."
        ) from None
    tx.undo()


def _standing_alone(method: Method, module: str) -> Method:
    @wraps(method)
    def stand_alone(*args: Any, **kwargs: Any) -> Any:
        # It would need a second connection while the first is held, which deadlocks the pool; and
        # as a service of its own, it would be a network call inside a transaction.
        if in_transaction():
            raise TransactionError(
                f"{module}.{method.__name__} does not take `tx`, so it cannot be called inside a "
                "transaction: call it before or after the block, or give it `tx: Tx` as its first "
                "parameter."
            )
        return method(*args, **kwargs)

    return stand_alone
