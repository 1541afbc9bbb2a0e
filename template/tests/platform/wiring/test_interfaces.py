"""What an interface may promise."""

import re
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Sequence,
)
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
)
from functools import cached_property
from typing import Annotated, Any, ClassVar, NewType, overload, Protocol, TypeVar

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import deprecated, TypeAliasType

from app.platform.database.database import Tx
from app.platform.wiring.boundary import at_boundary
from app.platform.wiring.interfaces import InterfaceError, promises_of

T = TypeVar("T")
AnyTx = TypeVar("AnyTx", bound=Tx)
Rows = TypeAliasType("Rows", AsyncIterator[int])
Renamed = TypeAliasType("Renamed", Tx)
Other = NewType("Other", Tx)
SameTx = Tx


class Store(Protocol[T]):
    async def get(self, tx: Tx, id: int) -> T | None: ...


class Prices(Store[float], Protocol):
    """Everything that callers can be given."""

    async def change(self, tx: SameTx, /, id: int, *, to: float = 1.0) -> None: ...

    async def annotated(
        self, tx: Annotated[Tx, "of the caller"]
    ) -> Sequence[tuple[int, float]]: ...

    async def alone(self, *ids: int, **more: object) -> dict[int, Callable[[int], float]]: ...

    def at_once(self) -> float: ...

    def queue(self, tx: Tx) -> None: ...

    def stream(self, tx: Tx) -> AsyncIterator[float]: ...

    def rows(self) -> Rows: ...

    def closable(self) -> AsyncGenerator[float, None]: ...

    async def written_out(self) -> AsyncIterable[float]:
        yield 1.0

    @deprecated("use change")
    async def old(self, tx: Tx) -> None: ...


def test_methods_are_found_with_those_that_are_inherited() -> None:
    promises = {each.name: each for each in promises_of(Prices)}
    assert list(promises)[:2] == ["get", "change"]
    assert {name for name, each in promises.items() if each.joins} == {
        *("get", "change", "annotated", "queue", "stream", "old"),
    }
    assert {name for name, each in promises.items() if each.streams} == {
        *("stream", "rows", "closable", "written_out"),
    }
    assert not promises["at_once"].is_async
    assert promises["alone"].is_async


NOT_A_METHOD = "is no method, and callers get methods only"
DECORATED = "is overloaded or decorated"
PRIVATE = "begins with _"
NOT_FIRST = "takes a transaction, but not first"
LATER = "whose work goes on when the call has ended"


def a_property(self: Any) -> int: ...


async def an_async_method(self: Any) -> AsyncIterator[int]: ...


@asynccontextmanager
async def a_context(self: Any) -> AsyncIterator[int]:
    yield 1


@overload
def overloaded(self: Any, x: int) -> int: ...
@overload
def overloaded(self: Any, x: str) -> str: ...


def holding(name: str, value: object = None, annotation: object = None) -> type:
    """An interface that holds one thing, as if it were written in its body."""
    if getattr(value, "__qualname__", "").startswith(name):
        value.__qualname__ = f"Shop.{name}"  # type: ignore[attr-defined]
    body: dict[str, Any] = {} if value is None else {name: value}
    if annotation is not None:
        body["__annotations__"] = {name: annotation}
    return type("Shop", (Protocol,), body)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value", "annotation"),
    [
        ("currency", None, str),
        ("currency", "EUR", str),
        ("currency", "EUR", ClassVar[str]),
        ("currency", "EUR", None),
        ("currency", property(a_property), None),
        ("currency", cached_property(a_property), None),
        ("currency", staticmethod(a_property), None),
        ("currency", classmethod(a_property), None),
        ("Kind", type("Kind", (), {}), None),
        ("handler", None, Callable[[int], int]),
    ],
)
def test_what_is_no_method_would_vanish(name: str, value: object, annotation: object) -> None:
    with pytest.raises(InterfaceError, match=rf"^Shop\.{name} {NOT_A_METHOD}"):
        promises_of(holding(name, value, annotation))


def test_so_would_what_is_inherited() -> None:
    class Base(Protocol):
        currency: str

    class Derived(Base, Protocol):
        async def sell(self) -> None: ...

    with pytest.raises(InterfaceError, match=rf"^Derived\.currency {NOT_A_METHOD}"):
        promises_of(Derived)


@pytest.mark.parametrize(
    "name", ["__call__", "__aiter__", "__getitem__", "__len__", "__aenter__", "__eq__", "_sell"]
)
def test_private_and_special_methods_are_refused(name: str) -> None:
    namespace: dict[str, Any] = {"Protocol": Protocol}
    exec(f"class Shop(Protocol):\n    def {name}(self) -> int: ...", namespace)
    with pytest.raises(InterfaceError, match=rf"^Shop\.{name} {PRIVATE}"):
        promises_of(namespace["Shop"])


@pytest.mark.parametrize(
    "value", [a_context, overloaded, lambda self: 1], ids=["context", "overloaded", "lambda"]
)
def test_what_is_written_otherwise_than_callers_see_it_is_refused(value: object) -> None:
    with pytest.raises(InterfaceError, match=rf"^Shop\.hold {DECORATED}"):
        promises_of(holding("hold", value))


SIGNATURES = [
    ("self, tx: Tx | None", "None", NOT_FIRST),
    ("self, tx: Tx | None = None", "None", NOT_FIRST),
    ("self, tx: Tx = DEFAULT", "None", NOT_FIRST),
    ("self, *, tx: Tx", "None", NOT_FIRST),
    ("self, item: str, tx: Tx", "None", NOT_FIRST),
    ("self, item: str, tx: Tx | None = None", "None", NOT_FIRST),
    ("self, session: Tx", "None", NOT_FIRST),
    ("self, tx", "None", NOT_FIRST),
    ("self, tx: Any", "None", NOT_FIRST),
    ("self, tx: AsyncSession", "None", NOT_FIRST),
    ("self, tx: Renamed", "None", NOT_FIRST),
    ("self, tx: Other", "None", NOT_FIRST),
    ("self, view: Other", "None", NOT_FIRST),
    ("self, tx: AnyTx", "AnyTx", NOT_FIRST),
    ("self, *txs: Tx", "None", NOT_FIRST),
    ("self, tx: Tx, other: Tx", "None", NOT_FIRST),
    ("self, views: Sequence[Tx]", "None", NOT_FIRST),
    ("self, do: Callable[[Tx], None]", "None", NOT_FIRST),
    ("self", "Tx", NOT_FIRST),
    ("self, tx: Tx", "Awaitable[int]", LATER),
    ("self", "Awaitable[int] | None", LATER),
    ("self", "Callable[[], Awaitable[int]]", LATER),
    ("self", "Iterator[int]", LATER),
    ("self, tx: Tx", "AbstractContextManager[int]", LATER),
    ("self, tx: Tx", "AbstractAsyncContextManager[int]", LATER),
    ("self", "AsyncIterator[AsyncIterator[int]]", LATER),
    ("self", "tuple[AsyncIterator[int], int]", LATER),
    ("self", "AsyncGenerator[int, str]", "is sent values while it is read"),
]


NAMES = {
    each.__name__: each
    for each in (
        *(AbstractAsyncContextManager, AbstractContextManager, Any, AnyTx, AsyncGenerator),
        *(AsyncIterator, AsyncSession, Awaitable, Callable, Iterator, Other, Protocol, Renamed),
        *(Rows, Sequence, Tx),
    )
}


def written(parameters: str, returned: str, define: str = "def") -> type:
    namespace: dict[str, Any] = {**NAMES, "DEFAULT": None}
    body = f"class Shop(Protocol):\n    {define} sell({parameters}) -> {returned}: ..."
    exec(body, namespace)
    shop: type = namespace["Shop"]
    return shop


@pytest.mark.parametrize(("parameters", "returned", "why"), SIGNATURES)
def test_a_signature_that_hides_what_happens_is_refused(
    parameters: str, returned: str, why: str
) -> None:
    with pytest.raises(InterfaceError, match=rf"^Shop\.sell .*{re.escape(why)}"):
        promises_of(written(parameters, returned))


def test_a_coroutine_that_returns_a_stream_is_refused() -> None:
    for returned in ("AsyncIterator[int]", "Rows", "list[Awaitable[int]]"):
        with pytest.raises(InterfaceError, match=LATER):
            promises_of(written("self, tx: Tx", returned, "async def"))


def test_a_name_that_only_type_checkers_know_is_named() -> None:
    with pytest.raises(InterfaceError, match=r"^Shop\.sell cannot be read: .*'Unknown' is not def"):
        promises_of(written("self, item: 'Unknown'", "None"))


def test_what_is_refused_never_reaches_a_caller() -> None:
    with pytest.raises(InterfaceError, match=NOT_A_METHOD):
        at_boundary(holding("currency", "EUR"), object(), "shop")
