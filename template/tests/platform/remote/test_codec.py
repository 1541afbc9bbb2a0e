"""What crosses from one process to another arrives equal; what cannot is refused before anybody calls."""

import re
from collections import Counter, defaultdict, deque, OrderedDict
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Set,
)
from dataclasses import dataclass, field, InitVar
from datetime import date, datetime, time, timedelta, UTC
from decimal import Decimal
from enum import Enum, Flag, StrEnum
from fractions import Fraction
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Protocol,
    TypeVar,
)
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, computed_field, Field
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, MappedAsDataclass
from typing_extensions import TypedDict

from app.platform.remote.codec import Codec, CodecError, UnreadableError
from app.platform.wiring.interfaces import Promise, promises_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plain:
    id: UUID
    data: bytes
    share: float = 0.5
    more: Mapping[UUID, int] = field(default_factory=dict)


@dataclass
class Tree:
    name: bytes
    branches: "list[Tree]" = field(default_factory=list)


@dataclass
class Counted:
    first: int
    both: int = field(init=False)

    def __post_init__(self) -> None:
        self.both = 2 * self.first


@dataclass
class Boxed(Generic[T]):
    value: T


class Pair(NamedTuple):
    left: bytes
    right: Decimal


class Typed(TypedDict):
    id: UUID
    data: NotRequired[bytes]


class Model(BaseModel):
    id: UUID
    share: float


class ModelOfBytes(BaseModel):
    data: bytes


class Aliased(BaseModel):
    is_new: bool = Field(alias="isNew")

    @computed_field
    def is_old(self) -> bool:
        return not self.is_new


class Schemas(TypedDict):
    """Fields that are called as parts of Pydantic's schemas are."""

    type: bytes
    config: bytes
    default: int


class Loose(TypedDict):
    config: Any


@dataclass
class Paid:
    id: UUID
    by: str = "card"


@dataclass
class Unpaid:
    id: UUID
    until: date = date(2026, 1, 1)


@dataclass
class Circle:
    kind: Literal["circle"]
    size: int


@dataclass
class Square:
    kind: Literal["square"]
    size: int


@dataclass
class Sum:
    total: int
    parts: InitVar[list[int]]


class Colour(StrEnum):
    RED = "red"


class Number(Enum):
    ONE = 1
    TWO = 2


class Mode(Flag):
    READ = 1
    WRITE = 2


class Odd(Enum):
    A = (1, 2)


Sku = NewType("Sku", str)
ID, INFINITE = uuid4(), float("inf")


class Rows(MappedAsDataclass, DeclarativeBase):
    """A base."""


class Row(Rows):
    __tablename__ = "rows"
    id: Mapped[int] = mapped_column(primary_key=True)


@dataclass
class Table:
    """What SQLAlchemy maps by hand."""

    __mapper__ = None


class Other(Protocol):
    async def ask(self) -> None: ...


def codec_of(hint: Any, returns: Any = None, default: Any = ...) -> Codec:
    """The codec of a method with one parameter."""

    async def method(self: Any, value: Any) -> None: ...

    if default is not ...:
        method.__defaults__ = (default,)
    method.__annotations__ = {"value": hint, "return": returns}
    return Codec("billing", Promise("charge", method, False, True, False))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Plain, Plain(ID, b"\xff\x00", INFINITE, {ID: 1})),
        (Tree, Tree(b"\xff", [Tree(b"\xfe")])),
        (Counted, Counted(3)),
        (Boxed[UUID], Boxed(ID)),
        (Pair, Pair(b"\xff", Decimal("1.10"))),
        (Typed, {"id": ID, "data": b"\xff"}),
        (Typed, {"id": ID}),
        (Model, Model(id=ID, share=0.25)),
        (Aliased, Aliased(isNew=True)),
        (Schemas, {"type": b"\xff", "config": b"\xff", "default": 1}),
        (Circle | Square, Square("square", 1)),
        (Plain | Pair | Circle, Pair(b"\xff", Decimal(1))),
        (Colour, Colour.RED),
        (Number, Number.TWO),
        (Mode, Mode.READ | Mode.WRITE),
        (Sku, Sku("a")),
        (Literal["a", 7], 7),
        (Annotated[int, Field(ge=1)], 5),
        (bytes | None, b"\xff"),
        (bytes | None, None),
        (int | str, "3"),
        (int | float, 3.0),
        (UUID | int, ID),
        (Plain | Model | None, Plain(ID, b"")),
        (list[Plain] | Plain, [Plain(ID, b"")]),
        (int, 2**80),
        (float, -INFINITE),
        (Decimal, Decimal("1.2300")),
        (Decimal, Decimal("Infinity")),
        (Annotated[Decimal, Field(max_digits=9, decimal_places=2)], Decimal("1.20")),
        (Annotated[Decimal | None, Field(decimal_places=2)], Decimal("1.20")),
        (Annotated[float, Field(allow_inf_nan=False)], 1.5),
        (Fraction, Fraction(1, 3)),
        (complex, 1 + 2j),
        (str, "\x00 \ud7ff \U0001f600"),
        (date, date(2026, 2, 28)),
        (time, time(1, 2, 3, 4)),
        (datetime, datetime(2026, 3, 29, 1, 2, 3, 4, UTC)),
        (datetime, datetime(2026, 3, 29, 1, 2, 3, 4)),
        (timedelta, timedelta(days=-3, microseconds=1)),
        (IPv4Address, IPv4Address("127.0.0.1")),
        (Path, Path("a/b")),
        (Mapping[UUID, int], {ID: 1}),
        (Mapping[int, str], {1: "a"}),
        (Mapping[date, str], {date(2026, 1, 1): "a"}),
        (Mapping[Decimal, str], {Decimal("1.0"): "a"}),
        (Mapping[bytes, str], {b"\xff": "a"}),
        (Mapping[bool, str], {True: "a"}),
        (Mapping[float, str], {INFINITE: "a"}),
        (Mapping[Colour, str], {Colour.RED: "a"}),
        (Mapping[Literal["a"], str], {"a": "b"}),
        (dict[str, list[Plain]], {"a": [Plain(ID, b"")]}),
        (set[UUID], {ID}),
        (frozenset[bytes], frozenset({b"\xff"})),
        (Set[int], {1}),
        (Sequence[int], [1]),
        (Collection[int], [1]),
        (Iterable[int] | None, [1]),
        (tuple[int, bytes], (1, b"\xff")),
        (tuple[int, ...], (1, 2)),
        (deque[int], deque([1])),
        (OrderedDict[str, int], OrderedDict(a=1)),
        (Counter[str], Counter(a=1)),
        (defaultdict[str, int], defaultdict(int, a=1)),
        (None, None),
    ],
)
def test_a_value_arrives_as_it_was_sent(hint: Any, value: Any) -> None:
    codec = codec_of(hint, returns=hint)
    given, named = codec.read_arguments(codec.write_arguments([value], {}))
    assert (given, named) == ([], {"value": value})
    result = codec.read_result(codec.write_result(value))
    assert result == value
    assert type(result) is type(value) or hint in (Set[int],)


@pytest.mark.parametrize("value", [(1, 2), {1, 2}, iter([1, 2]), {1: 0, 2: 0}.keys(), range(1, 3)])
def test_what_may_be_any_container_arrives_as_a_list(value: Any) -> None:
    codec = codec_of(Iterable[int])
    assert codec.read_arguments(codec.write_arguments([value], {}))[1] == {"value": [1, 2]}


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (Any, "it may be anything"),
        (object, "it may be anything"),
        (dict, "it may be anything"),
        (Boxed, "it may be anything"),
        (T, "it may be anything"),
        (list[Callable[[], int]], "it is a function"),
        (type[int], "it is a class"),
        (Iterator[int], "no schema"),
        (AsyncIterator[int], "no schema"),
        (AsyncSession, "no schema"),
        (Other, "no schema"),
        (list[Row], "sqlalchemy.orm.base.Mapped[int] has no schema: pass a dataclass, or an id"),
        (Table, "Table is a row of a table: pass a dataclass"),
        (Odd, "Odd has members whose values are neither texts nor numbers"),
        (ModelOfBytes, "ModelOfBytes is Pydantic's own, which writes bytes as text"),
        (Mapping[Plain, int], "JSON has no such keys"),
        (Mapping[tuple[int, int], int], "JSON has no such keys"),
        (Mapping[int | None, int], "JSON has no such keys"),
        (Mapping[Number, int], "JSON has no such keys"),
        (UUID | str, "two of its choices are texts in JSON"),
        (Decimal | str, "two of its choices are texts in JSON"),
        (bytes | str | None, "two of its choices are texts in JSON"),
        (Paid | Unpaid, "Paid and Unpaid look alike in JSON"),
        (Paid | Typed, "Paid and Typed look alike in JSON"),
        (Paid | Mapping[str, int], "a dict and an object look alike in JSON"),
        (Mapping[str, int] | Mapping[str, str], "two of its choices are dicts in JSON"),
        (Sum, "nobody has parts, an InitVar, once it is made"),
        (list[Loose], "it may be anything"),
        (set[int] | list[int], "two of its choices are lists in JSON"),
        (Pair | tuple[int, ...], "two of its choices are lists in JSON"),
    ],
)
def test_what_cannot_cross_is_named_with_what_to_do(hint: Any, said: str) -> None:
    with pytest.raises(CodecError, match=re.escape(said)) as caught:
        codec_of(hint)
    assert str(caught.value).startswith("billing.charge takes `value: ")
    with pytest.raises(CodecError, match=re.escape(said)) as caught:
        codec_of(int, returns=hint)
    assert str(caught.value).startswith("billing.charge returns `")


class Refused(Protocol):
    async def many(self, *ids: int) -> None: ...

    async def named(self, **ids: int) -> None: ...

    def at_once(self) -> int: ...

    def stream(self) -> AsyncIterator[int]: ...


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("many", "takes `*ids: int`, any number of arguments"),
        ("named", "takes `**ids: int`, any number of arguments"),
        ("at_once", "is no `async def`"),
        ("stream", "is a stream"),
    ],
)
def test_a_method_that_cannot_be_asked_is_named(method: str, said: str) -> None:
    promise = next(each for each in promises_of(Refused) if each.name == method)
    with pytest.raises(CodecError, match=re.escape(f"billing.{method} {said}")):
        Codec("billing", promise)


def test_an_argument_by_position_alone_is_given_so() -> None:
    class Shop(Protocol):
        async def add(self, a: int, b: int = 1, /, c: int = 2, *, d: int = 3) -> None: ...

    codec = Codec("shop", promises_of(Shop)[0])
    sent = partial(codec.write_arguments, named={})
    assert codec.read_arguments(sent([5])) == ([5], {})
    assert codec.read_arguments(codec.write_arguments([5, 6], {"d": 9})) == ([5, 6], {"d": 9})


def test_an_argument_that_was_left_out_is_not_sent() -> None:
    codec = codec_of(int, default=7)
    assert codec.write_arguments([], {}) == b"{}"
    assert codec.read_arguments(b"{}") == ([], {})


@dataclass
class Older:
    a: int


@dataclass
class Newer:
    a: int
    b: int = 2


@dataclass
class Changed:
    a: str


def test_a_newer_callee_may_tell_more() -> None:
    written = codec_of(int, returns=list[Newer]).write_result([Newer(1)])
    assert codec_of(int, returns=list[Older]).read_result(written) == [Older(1)]


def test_an_older_callee_may_tell_less_than_there_is_by_now() -> None:
    written = codec_of(int, returns=Older).write_result(Older(1))
    assert codec_of(int, returns=Newer).read_result(written) == Newer(1, 2)


def test_an_argument_that_the_callee_does_not_know_is_refused() -> None:
    sent = codec_of(Newer).write_arguments([Newer(1, 3)], {})
    with pytest.raises(UnreadableError, match=r"value\.b: "):
        codec_of(Older).read_arguments(sent)
    with pytest.raises(UnreadableError, match="more: "):
        codec_of(int).read_arguments(b'{"value":1,"more":2}')


def test_a_type_that_has_changed_is_not_guessed_at() -> None:
    with pytest.raises(UnreadableError, match=r"value\.a: "):
        codec_of(Changed).read_arguments(codec_of(Older).write_arguments([Older(1)], {}))
    with pytest.raises(UnreadableError, match=r"a: "):
        codec_of(int, returns=Older).read_result(b'{"a":"7"}')


def test_what_does_not_fit_is_told_without_the_value() -> None:
    with pytest.raises(UnreadableError) as caught:
        codec_of(int).read_arguments(b'{"value":"4111-1111"}')
    assert "4111" not in str(caught.value)
