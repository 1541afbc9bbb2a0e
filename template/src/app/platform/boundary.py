"""The wrapper between two modules, made once when the application is wired."""

import inspect
from collections.abc import Callable
from functools import wraps
from types import SimpleNamespace
from typing import Any, cast, get_type_hints, TypeVar

from app.platform.database import Tx

Interface = TypeVar("Interface")


def at_boundary(interface: type[Interface], implementation: Interface, module: str) -> Interface:
    """Return what other modules get instead of `implementation`: the methods of `interface`.

    A method whose first parameter is `tx: Tx` receives its own module's view of the caller's
    transaction, so that its statements run under its own role.
    Raises AttributeError where the implementation lacks a method.
    """
    methods = {
        name: _joining(getattr(implementation, name), module)
        if _takes_tx(declared)
        else getattr(implementation, name)
        for name, declared in inspect.getmembers(interface, inspect.isfunction)
        if not name.startswith("_")
    }
    return cast(Interface, SimpleNamespace(**methods))


def _takes_tx(method: Callable[..., Any]) -> bool:
    names = list(inspect.signature(method).parameters)
    return len(names) > 1 and get_type_hints(method).get(names[1]) is Tx


def _joining(method: Callable[..., Any], module: str) -> Callable[..., Any]:
    @wraps(method)
    def join(tx: Tx, *args: Any, **kwargs: Any) -> Any:
        return method(tx.of(module), *args, **kwargs)

    return join
