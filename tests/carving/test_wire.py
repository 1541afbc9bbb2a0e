"""What cannot cross a wire, beside what can."""

import pytest

HEAD = """
import enum
import io
from collections.abc import *
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Address
from typing import *
from uuid import UUID
import httpx
from pydantic import BaseModel, EmailStr
from sqlalchemy.ext.asyncio import AsyncSession
from app.platform.database import Tx
from app.platform.errors import DomainError
from .tables import Row
from .values import Deep, Page, Plain, Tree

class Kind(StrEnum):
    A = "a"
class Model(BaseModel):
    kind: Kind
class Pair(NamedTuple):
    one: int
class Named(TypedDict, total=False):
    one: NotRequired[int]
class Handle(Protocol):
    def go(self) -> None: ...
class Rich:
    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler): ...
Money = NewType("Money", Decimal)
Ids = Sequence[UUID]
T = TypeVar("T")
"""
VALUES = """
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar
T = TypeVar("T")

@dataclass
class Page(Generic[T]):
    items: list[T]
@dataclass
class Tree:
    children: list["Tree"]
    limit: ClassVar[object] = None
class Plain:
    def __init__(self, x: int) -> None: ...
@dataclass
class Inner:
    plain: Plain
@dataclass
class Deep:
    inner: list[Inner]
"""
TABLES = """
from sqlalchemy.orm import DeclarativeBase
class Base(DeclarativeBase): ...
class Row(Base):
    __tablename__ = "rows"
"""
CROSSES = """
None; str; int | None; "UUID"; Optional[bool]; Union[int, str]; Literal["a", "b"]; bytes; float
Decimal; date; datetime; timedelta; IPv4Address; EmailStr; Money; Ids; Kind; Model; Pair; Named
Mapping[UUID, int]; list[tuple[int, ...]]; dict[str, list[Kind]]; frozenset[str]; Counter[UUID]
Annotated[int, object()]; Page[UUID]; Tree; Rich; Sequence[Model] | None; Iterable[int]
""".replace("\n", ";")
STAYS = {
    "Callable[[int], int]": "is a function",
    "Mapping[str, Callable[[], None]]": "is a function",
    "AsyncIterator[int]": "is a stream",
    "Iterator[int]": "goes on when the call is over",
    "Awaitable[int] | None": "goes on when the call is over",
    "BinaryIO": "is an open file",
    "io.BytesIO": "is an open file",
    "Any": "may be anything",
    "dict[str, object]": "may be anything",
    "type[Model]": "is a class",
    "T": "may be of any type",
    "list[T]": "may be of any type",
    "Row": "is a row of a table",
    "Sequence[Row]": "is a row of a table",
    "Page[Row]": "is a row of a table",
    "Plain": "is a class without a schema",
    "Handle": "is an interface",
    "httpx.Response": "has no schema that is known",
    "AsyncSession": "has no schema that is known",
    "ValueError": "has no schema that is known",
}


def found(bill, methods: str) -> list[tuple[str, str]]:
    text = f"{HEAD}\nclass Billing(Protocol):\n{methods}"
    files = {"billing/__init__.py": text, "billing/values.py": VALUES, "billing/tables.py": TABLES}
    return [(each.place.what, each.why) for each in bill(files).faults if each.kind == "value"]


def test_what_has_a_schema_crosses(bill):
    kinds = [each.strip() for each in CROSSES.split(";") if each.strip()]
    methods = "".join(
        f"    async def m{number}(self, x: {kind}) -> {kind}: ...\n"
        for number, kind in enumerate(kinds)
    )
    assert found(bill, methods) == []


def test_what_has_none_does_not_and_is_named(bill):
    methods = "".join(
        f"    async def m{number}(self, x: {kind}) -> None: ...\n"
        for number, kind in enumerate(STAYS)
    )
    told = found(bill, methods)
    assert [where for where, _ in told] == [f"m{number}: x" for number in range(len(STAYS))]
    for (_, why), wanted in zip(told, STAYS.values(), strict=True):
        assert why.startswith(wanted)


def test_the_field_is_named_and_results_count_as_well(bill):
    methods = "    async def m(self, tx: Tx, y, *, more: int = 0) -> Deep: ...\n"
    caller = {
        "ordering/service.py": "from app.platform.database import Tx\n"
        "from app.modules.billing import Billing\n"
        "async def pay(tx: Tx, billing: Billing):\n    await billing.m(tx, 1)\n"
    }
    told = found(lambda files: bill({**files, **caller}), methods)
    assert told == [
        ("m: y", "has no type"),
        ("m: its result.inner.plain", "is a class without a schema: no dataclass, no model"),
    ]


def test_a_method_that_stays_inside_may_take_what_it_likes(bill):
    assert found(bill, "    async def m(self, tx: Tx, row: Row) -> Row: ...\n") == []


@pytest.mark.parametrize(
    ("interface", "service", "named"),
    [
        ("class Broken(Exception): ...", "", ["Broken"]),
        ("class Worse(Broken): ...\nclass Broken(ValueError): ...", "", ["Worse", "Broken"]),
        ("from .values import Inner\nclass Gone(DomainError): ...", "", []),
        ("", "raise ValueError('no')", ["ValueError"]),
        ("", "self._deep()", ["KeyError"]),
        ("", "raise NotImplementedError", []),
        ("", "raise DomainError('no')", []),
        ("", "try:\n            raise KeyError\n        except KeyError:\n            pass", []),
        ("", "raise HTTPException(404)", ["HTTPException"]),
        ("", "try: ...\n        except Exception as error:\n            raise error", []),
    ],
)
def test_errors_are_domain_errors(bill, interface, service, named):
    text = f"{HEAD}\n{interface}\nclass Billing(Protocol):\n    async def m(self) -> None: ...\n"
    code = (
        "from fastapi import HTTPException\nfrom app.platform.errors import DomainError\n"
        f"class BillingService:\n    async def m(self):\n        {service or '...'}\n"
        "    def _deep(self):\n        raise KeyError\n"
        "    async def other(self):\n        raise OSError\n"
    )
    files = {
        "billing/__init__.py": text,
        "billing/values.py": VALUES,
        "billing/tables.py": TABLES,
        "billing/service.py": code,
    }
    assert [each.type for each in bill(files).faults] == named


def test_what_callers_catch_must_come_back_as_it_was(bill):
    caller = """
from sqlalchemy.exc import IntegrityError
from app.modules.billing import Billing, Declined
async def pay(billing: Billing, id):
    try:
        await billing.get(id)
    except (IntegrityError, Declined):
        await billing.get(id)
    try:
        await billing.get(id)
    except Exception:
        raise
"""
    found = bill({"ordering/service.py": caller})
    assert [(call.place.line, name) for call, name in found.caught] == [(6, "IntegrityError")]
