"""What an interface may promise, and whether an implementation keeps it.

Callers in other modules get methods and nothing else. A promise that would vanish on the way, or of
which the boundary could not see what is done for it, is refused when the application is wired.
"""

import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
)
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from types import FunctionType, NoneType
from typing import (
    Any,
    Generic,
    get_args,
    get_origin,
    get_type_hints,
    NoReturn,
    Protocol,
    TypeVar,
)

from app.platform.database import Tx
from app.platform.wiring.marks import is_idempotent

Method = Callable[..., Any]

_STREAMS = (AsyncIterator, AsyncIterable, AsyncGenerator)
_LATER = (Iterator, Generator, AbstractContextManager)
_LATER_OF_ANY_KIND = (Awaitable, AsyncIterable, AbstractAsyncContextManager)
"""What goes on, or only begins, when a method has returned it."""
_TX = frozenset(Tx.__mro__) - {object}
_HOLDERS = (object, Protocol, Generic)


class InterfaceError(Exception):
    """An interface promises what its callers would not get, or an implementation does not keep what
    it promises. The message names the interface, the member and the remedy."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A method of an interface."""

    name: str
    function: FunctionType
    joins: bool
    """Whether it takes `tx` and joins its caller's transaction."""
    is_async: bool
    """Whether it is `async def`, so that a call returns when it is awaited."""
    streams: bool
    """Whether it returns an asynchronous iterator, so that a call ends when that is read."""

    @property
    def is_idempotent(self) -> bool:
        """Whether a repeated call does no harm."""
        return is_idempotent(self.function)


def promises_of(interface: type) -> list[Promise]:
    """Return the methods of an interface, those it inherits included. Raises InterfaceError."""
    functions: dict[str, FunctionType] = {}
    for holder in reversed(interface.__mro__):
        if holder not in _HOLDERS:
            for name, value in _members(holder).items():
                functions[name] = _function(interface, holder, name, value)
    return [_promise(interface, name, function) for name, function in functions.items()]


def method_of(implementation: object, interface: type, promise: Promise) -> Method:
    """Return a method of an implementation that can be called as the interface promises.

    Raises InterfaceError.
    """
    name, promised = promise.name, promise.function
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


def _members(holder: type) -> dict[str, object]:
    """Return what the body of an interface holds, without what Python adds to it."""
    annotated = dict.fromkeys(inspect.get_annotations(holder))
    held = {name: each for name, each in vars(holder).items() if _is_written(holder, name, each)}
    return annotated | held


def _is_written(holder: type, name: str, value: object) -> bool:
    if name.startswith("_"):
        return isinstance(value, FunctionType) and _is_own(holder, name, value)
    return True


def _is_own(holder: type, name: str, value: FunctionType) -> bool:
    return value.__qualname__ == f"{holder.__qualname__}.{name}"


def _function(interface: type, holder: type, name: str, value: object) -> FunctionType:
    """Return the function of a method, or refuse what is none."""
    if not isinstance(value, FunctionType):
        _refuse(
            interface,
            name,
            "is no method, and callers get methods only: declare `def` with `self`, or `async def`",
        )
    if name.startswith("_"):
        _refuse(interface, name, "begins with _, so that callers do not get it: rename it")
    wrapped = hasattr(value, "__wrapped__") and not hasattr(value, "__deprecated__")
    if wrapped or not _is_own(holder, name, value):
        _refuse(
            interface,
            name,
            "is overloaded or decorated: write it as callers see it, each form under its own name",
        )
    return value


def _promise(interface: type, name: str, function: FunctionType) -> Promise:
    try:
        hints = get_type_hints(function)
    except NameError as error:
        _refuse(interface, name, f"cannot be read: {error}. Import it, not for type checkers only")
    parameters = list(inspect.signature(function).parameters.values())[1:]
    first = parameters[0] if parameters else None
    joins = (
        first is not None
        and first.name == "tx"
        and hints.get("tx") is Tx
        and first.kind is not first.KEYWORD_ONLY
        and first.default is first.empty
    )
    others = parameters[1:] if joins else parameters
    mentioned = _parts([hints.get(each) for each in (*(each.name for each in others), "return")])
    if any(each.name == "tx" for each in others) or not _TX.isdisjoint(mentioned):
        _refuse(
            interface,
            name,
            f"takes a transaction, but not first: declare it as `{name}(self, tx: Tx, …)`",
        )
    is_async = inspect.iscoroutinefunction(function)
    returned = _resolved(hints.get("return"))
    streams = not is_async and get_origin(returned) in _STREAMS
    rest = list(get_args(returned)) if streams else [returned]
    if get_origin(returned) is AsyncGenerator and rest[1:] not in ([], [None], [NoneType]):
        _refuse(interface, name, "is sent values while it is read: declare an AsyncIterator")
    if later := next((kind for kind in _parts(rest) if _is_later(kind)), None):
        _refuse(
            interface,
            name,
            f"returns {later.__name__}, whose work goes on when the call has ended: declare "
            "`async def` and return values, or `def` and return an AsyncIterator of them",
        )
    return Promise(name, function, joins, is_async, streams)


def _refuse(interface: type, name: str, why: str) -> NoReturn:
    raise InterfaceError(f"{interface.__name__}.{name} {why}.") from None


def _is_later(kind: Any) -> bool:
    return kind in _LATER or (isinstance(kind, type) and issubclass(kind, _LATER_OF_ANY_KIND))


def _resolved(hint: Any) -> Any:
    """Return what an alias stands for."""
    while hasattr(hint, "__value__"):  # Of `type Rows = …`.
        hint = hint.__value__
    return hint


def _parts(hint: Any) -> Iterator[Any]:
    """Yield every class that a type mentions."""
    hint = _resolved(hint)
    if isinstance(hint, list | tuple):
        for each in hint:
            yield from _parts(each)
    elif (origin := get_origin(hint)) is not None:
        yield origin
        yield from _parts(get_args(hint))
    elif isinstance(hint, TypeVar):
        yield from _parts((hint.__bound__, *hint.__constraints__))
    else:
        yield getattr(hint, "__supertype__", hint)


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
