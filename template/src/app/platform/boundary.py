"""The wrapper between two modules, made once when the application is wired."""

import inspect
from collections.abc import Callable
from functools import wraps
from types import SimpleNamespace
from typing import Any, cast, get_type_hints, TypeVar

from app.platform.database import in_transaction, Tx
from app.platform.engine import TransactionError

Interface = TypeVar("Interface")
Method = Callable[..., Any]


def at_boundary(interface: type[Interface], implementation: Interface, module: str) -> Interface:
    """Return what other modules get instead of `implementation`: the methods of `interface`.

    A method whose first parameter is `tx: Tx` receives its own module's view of the caller's
    transaction, so that its statements run under its own role. Any other method stands alone and
    is refused inside a transaction.
    Raises AttributeError where the implementation lacks a method.
    """
    methods = {
        name: (_joining if takes_tx(declared) else _standing_alone)(
            getattr(implementation, name), module
        )
        for name, declared in inspect.getmembers(interface, inspect.isfunction)
        if not name.startswith("_")
    }
    return cast(Interface, SimpleNamespace(**methods))


def takes_tx(method: Method) -> bool:
    """Say whether a method of an interface joins its caller's transaction."""
    names = list(inspect.signature(method).parameters)
    return len(names) > 1 and get_type_hints(method).get(names[1]) is Tx


def _joining(method: Method, module: str) -> Method:
    @wraps(method)
    def join(tx: Tx, *args: Any, **kwargs: Any) -> Any:
        return method(tx.of(module), *args, **kwargs)

    return join


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
