"""What the function of a job says of itself."""

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any, cast, get_type_hints

from app.platform.database import Tx


def name_of(function: Callable[..., object]) -> str:
    """Return the name a function was defined with."""
    return cast(str, getattr(function, "__name__", type(function).__name__))


def parameters_of(function: Callable[..., Any]) -> dict[str, type]:
    """Return the parameters of a function and their types; `object` where it gives none."""
    hints = get_type_hints(function)
    return {name: hints.get(name, object) for name in inspect.signature(function).parameters}


def takes_tx(function: Callable[..., Any]) -> bool:
    """Say whether a job is to run in a transaction: whether that is its first parameter."""
    return [*parameters_of(function).values()][:1] == [Tx]


def is_frozen(kind: type) -> bool:
    """Say whether a type is a dataclass that nobody can change on its way."""
    return is_dataclass(kind) and bool(kind.__dataclass_params__.frozen)  # type: ignore[attr-defined]
