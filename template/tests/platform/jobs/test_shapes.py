"""What waits in the queue as JSON is read as what it was."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import Field, TypeAdapter

from app.platform.jobs.events import Event
from app.platform.jobs.shapes import shape_of
from app.platform.wiring.wiring import Wired

from ...look_alikes import find_look_alikes, look_alikes


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Turned(IntEnum):
    HIGH = 1
    LOW = 2


@dataclass(frozen=True)
class Card:
    id: str


@dataclass(frozen=True)
class Cash:
    id: str
    note: str = ""


@dataclass(frozen=True)
class Transfer:
    iban: str


@dataclass(frozen=True)
class Cat:
    kind: Literal["cat"]
    name: str


@dataclass(frozen=True)
class Dog:
    kind: Literal["dog"]
    name: str


@dataclass(frozen=True)
class Tree:
    parts: "tuple[Tree | Card, ...]"
    name: str = ""


@pytest.mark.parametrize(
    "kind",
    [
        Card | Cash,
        list[Card] | list[Cash],
        dict[str, str] | Card,
        dict[str, Card | Cash],
        tuple[int, Card | Cash],
        tuple[str, Card] | tuple[str, Cash],
        str | UUID,
        str | date,
        bytes | str,
        Colour | str,
        Level | int,
        Level | Turned,
        set[int] | list[int],
        dict[int | str, int],
    ],
)
def test_a_union_of_look_alikes_is_found_wherever_it_stands(kind: Any) -> None:
    assert look_alikes(TypeAdapter(kind)) is not None


@pytest.mark.parametrize(
    "kind",
    [
        Card | None,
        Card | Transfer,
        Cat | Dog,
        Annotated[Cat | Dog, Field(discriminator="kind")],
        Card | str | int,
        list[Card] | Card,
        tuple[int, str] | tuple[int, str, str],
        int | float,
        int | Decimal,
        int | str | bool | None,
        date | datetime,
        Literal["many"] | str,
        Literal["many"] | int,
        Any | None,
        object | None,
        dict[str, Any] | None,
        dict[int | UUID, int],
        Tree,
    ],
)
def test_what_can_be_told_apart_is_no_look_alike(kind: Any) -> None:
    assert look_alikes(TypeAdapter(kind)) is None


def test_the_shape_says_what_the_numbers_of_an_enum_mean() -> None:
    Turned.__name__ = Turned.__qualname__ = "Level"
    try:
        assert shape_of("a", TypeAdapter(Level)) != shape_of("a", TypeAdapter(Turned))
    finally:
        Turned.__name__ = Turned.__qualname__ = "Turned"


@dataclass(frozen=True)
class Paid(Event):
    by: Card | Cash


async def test_look_alikes_in_the_arguments_of_a_job_are_named_with_the_remedy(
    wired: Wired,
) -> None:
    some = next(iter(wired.jobs.values()))
    [said] = find_look_alikes(replace(some, name="catalog.settle", adapter=TypeAdapter(Paid)))
    assert said.startswith("catalog.settle: in `by`, Card and Cash look alike")
    assert "discriminator" in said
