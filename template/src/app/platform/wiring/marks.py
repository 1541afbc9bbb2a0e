"""What an interface may say of a method."""

from collections.abc import Callable
from typing import Any, TypeVar

M = TypeVar("M", bound=Callable[..., Any])

_MARK = "__is_idempotent__"


def idempotent(method: M) -> M:
    """Say in a Protocol that a repeated call does no harm: `@idempotent` above `async def`.

    Only such a call is tried again where another process serves the module and did not answer: it may
    have done what was asked. Whatever takes an id by which it recognises the second call qualifies.
    """
    setattr(method, _MARK, True)
    return method


def is_idempotent(method: Callable[..., Any]) -> bool:
    """Say whether a method of an interface is marked."""
    return getattr(method, _MARK, False)
