"""What a change of a contract breaks, by the schemas of two releases, and by what Pydantic makes of them."""

import copy
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired
from uuid import UUID

import pytest
from generated import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import Kind, changed_kinds, kinds, values_of
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import core_schema
from typing_extensions import TypedDict

sys.path.insert(0, str(ROOT / "template"))
try:
    from checks.contracts import rules
    from checks.contracts.schemas import describe, place_of
finally:
    sys.path.pop(0)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class MoreColours(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class OtherLevel(IntEnum):
    HIGH = 1
    LOW = 2


class RenamedLevel(IntEnum):
    LOWEST = 1
    LOW = 1
    HIGH = 2


@dataclass(frozen=True)
class Line:
    product: UUID
    quantity: int


@dataclass(frozen=True)
class LineWithNote(Line):
    note: str = ""


@dataclass(frozen=True)
class LineWithTags(Line):
    tags: Sequence[str] = field(default_factory=list)


@dataclass(frozen=True)
class LineWithPrice(Line):
    price: Decimal


@dataclass(frozen=True)
class Product:
    product: UUID


@dataclass(frozen=True)
class NoQuantity:
    product: UUID
    quantity: int | None


@dataclass(frozen=True)
class Tree:
    name: str
    children: Sequence["Tree"]


@dataclass(frozen=True)
class TreeOfNumbers:
    name: int
    children: Sequence["TreeOfNumbers"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str


class StrictWithMore(Strict):
    more: str = ""


class Options(TypedDict):
    name: str


class OptionsLeftOut(TypedDict):
    name: NotRequired[str]


class Pair(NamedTuple):
    one: int
    two: int


class Triple(NamedTuple):
    one: int
    two: int
    three: int = 3


class Opaque:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.is_instance_schema(cls)


def contract(kind: Any, service: str | None = "scaling") -> dict[str, Any]:
    """The contract of a module with one method, event and job that have to do with this type."""
    arguments: Any = make_dataclass("AskArguments", [("given", kind)])
    event: Any = make_dataclass("Happened", [("given", kind)])
    wanted: list[Any] = [
        ("ask", "validation", TypeAdapter(arguments)),
        ("answer", "serialization", TypeAdapter(kind)),
        ("event", "validation", TypeAdapter(event)),
        ("event", "serialization", TypeAdapter(event)),
    ]
    found, schemas = describe(wanted)
    queued = {
        "event": None,
        "reads": found["event", "validation"],
        "writes": found["event", "serialization"],
        "x-source": "jobs.py:work",
    }
    body = {"content": {"application/json": {"schema": found["ask", "validation"]}}}
    answer = {"content": {"application/json": {"schema": found["answer", "serialization"]}}}
    ask = {"requestBody": body, "responses": {"200": answer}, "x-source": "__init__.py:Shop.ask"}
    return {
        "paths": {"/_modules/shop/ask": {"post": ask}},
        "components": {"schemas": schemas},
        "x-errors": {
            "Refused": {"bases": ["Conflict", "DomainError"], "x-source": "__init__.py:Refused"}
        },
        "x-events": {"Happened": queued},
        "x-jobs": {"work": queued, "on_happened": {**queued, "event": "Happened"}},
        "x-local": {"join": "takes the transaction of its caller"},
        "x-service": service,
        "x-retired": [],
        "x-former": None,
        "x-source": "__init__.py:Shop",
    }


def broken(old: Any, new: Any) -> set[str]:
    """What a change from one type to another breaks: arguments, results, events and jobs."""
    breaks = rules.compare({"shop": contract(old)}, {"shop": contract(new)})
    kinds = {"shop.Happened": "event", "shop.work": "job"}
    is_result = {each: each.part.startswith("result") for each in breaks}
    return {kinds.get(each.subject, "result" if is_result[each] else "argument") for each in breaks}


ALL = {"argument", "result", "event", "job"}
QUEUE = {"event", "job"}
ARGUMENT, RESULT = {"argument"} | QUEUE, {"result"} | QUEUE


@pytest.mark.parametrize(
    ("old", "new", "breaks"),
    [
        (int, int, set()),
        (int, float, RESULT),
        (float, int, ARGUMENT),
        (int, str, ALL),
        (bool, int, ALL),
        (str, UUID, ARGUMENT),
        (UUID, str, RESULT),
        (str, Decimal, ARGUMENT),
        (Decimal, str, ALL),
        (Decimal, float, ALL),
        (date, datetime, ALL),
        (int, int | None, RESULT),
        (int | None, int, ARGUMENT),
        (int | str, str | int, set()),
        (int, int | str, RESULT),
        (Colour, MoreColours, RESULT),
        (MoreColours, Colour, ARGUMENT),
        (Colour | None, MoreColours | None, RESULT),
        (Colour, str, RESULT),
        (str, Literal["red"], ARGUMENT),
        (Literal["red"], Literal["red", "blue"], RESULT),
        (Level, OtherLevel, ALL),
        (Level, RenamedLevel, set()),
        (Level, int, RESULT),
        (Annotated[int, Field(ge=0)], int, RESULT),
        (Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)], ARGUMENT),
        (Annotated[int, Field(le=9)], Annotated[int, Field(le=10)], RESULT),
        (Annotated[str, Field(max_length=9)], Annotated[str, Field(max_length=8)], ARGUMENT),
        (Annotated[str, Field(pattern="^a")], Annotated[str, Field(pattern="^b")], ALL),
        (Annotated[int, Field(multiple_of=4)], Annotated[int, Field(multiple_of=2)], RESULT),
        (Annotated[int, Field(gt=0)], Annotated[int, Field(ge=0)], RESULT),
        (Annotated[int, Field(ge=0)], Annotated[int, Field(gt=0)], ARGUMENT),
        (Annotated[int, Field(lt=9)], Annotated[int, Field(le=9)], RESULT),
        (Annotated[float, Field(ge=1)], Annotated[float, Field(gt=0)], RESULT),
        (Annotated[Decimal, Field(gt=0)], Decimal, RESULT),
        (Decimal, Annotated[Decimal, Field(gt=0)], ARGUMENT),
        (Annotated[Decimal, Field(max_digits=5)], Annotated[Decimal, Field(max_digits=6)], RESULT),
        (Annotated[Decimal, Field(decimal_places=2)], Decimal, RESULT),
        (bytes, str, ALL),
        (Sequence[int], list[int], set()),
        (Sequence[int], Sequence[float], RESULT),
        (Sequence[int], int, ALL),
        (frozenset[int], Sequence[int], RESULT),
        (tuple[int, int], tuple[int, int, int], ALL),
        (tuple[int, int], tuple[int, ...], ALL),
        (Pair, Triple, RESULT),
        (Mapping[str, int], Mapping[str, float], RESULT),
        (Mapping[str, int], Mapping[UUID, int], ARGUMENT),
        (Mapping[int, int], Mapping[str, int], RESULT),
        (Mapping[str, str], Options, ALL),
        (Any, int, ARGUMENT),
        (int, Any, RESULT),
        (Line, LineWithNote, set()),
        (Line, LineWithTags, set()),
        (Line, LineWithPrice, ARGUMENT),
        (LineWithNote, Line, ALL),
        (Line, Product, ALL),
        (Line, NoQuantity, RESULT),
        (Sequence[Line], Sequence[LineWithNote], set()),
        (Sequence[Line | str], Sequence[LineWithPrice | str], ARGUMENT),
        (Mapping[str, Line | None], Mapping[str, Product | None], ALL),
        (Tree, Tree, set()),
        (Tree, TreeOfNumbers, ALL),
        (Strict, StrictWithMore, RESULT),
        (Options, OptionsLeftOut, RESULT),
        (OptionsLeftOut, Options, ARGUMENT),
    ],
    ids=lambda each: " ".join(sorted(each)) if isinstance(each, set) else str(each),
)
def test_a_type_may_widen_where_it_is_read_and_narrow_where_it_is_written(
    old: Any, new: Any, breaks: set[str]
) -> None:
    assert broken(old, new) == breaks


def said(change: Any, old: Mapping[str, Any] | None = None) -> list[str]:
    before = {"shop": copy.deepcopy(old or contract(Line))}
    after = copy.deepcopy(before)
    change(after["shop"])
    return [each.text for each in rules.compare(before, after)]


def retired(*names: str) -> dict[str, Any]:
    return {**contract(Line), "x-retired": list(names)}


@pytest.mark.parametrize(
    ("kind", "name", "why"),
    [
        ("paths", "/_modules/shop/ask", "shop.ask is gone."),
        ("x-events", "Happened", "shop.Happened is gone."),
        ("x-jobs", "work", "shop.work is gone, and may wait in the queue under this name."),
        (
            "x-jobs",
            "on_happened",
            "shop.on_happened is gone, and may wait in the queue under this name.",
        ),
        ("x-errors", "Refused", "shop.Refused is gone, and may be raised."),
    ],
)
def test_what_is_gone_breaks_unless_main_has_retired_it(kind: str, name: str, why: str) -> None:
    def delete(document: dict[str, Any]) -> None:
        del document[kind][name]

    short = name.rpartition("/")[2]
    assert said(delete) == [why]
    assert said(delete, retired(short)) == []
    assert said(delete, retired("other")) == [why]
    too_soon = retired(short) | {"x-retired-too-soon": {short: "v1.2.0"}}
    assert said(delete, too_soon) == [
        f"{why} It is retired, but v1.2.0 does not say so: release that first."
    ]


def test_a_name_that_is_retired_in_the_same_change_breaks() -> None:
    def delete(document: dict[str, Any]) -> None:
        del document["x-jobs"]["work"]
        document["x-retired"] = ["work"]

    assert len(said(delete)) == 1


def test_another_name_beside_breaks_nothing() -> None:
    def add(document: dict[str, Any]) -> None:
        for kind, more in (("x-events", "More"), ("x-jobs", "more"), ("x-errors", "NoMore")):
            document[kind][more] = next(iter(document[kind].values()))
        document["paths"]["/_modules/shop/more"] = document["paths"]["/_modules/shop/ask"]

    assert said(add) == []


def test_a_method_that_joins_a_transaction_now_says_so() -> None:
    def join(document: dict[str, Any]) -> None:
        document["paths"].clear()
        document["x-local"]["ask"] = "takes the transaction of its caller"

    assert said(join) == [
        "shop.ask takes the transaction of its caller: it cannot be called from elsewhere any more."
    ]


def test_an_error_that_may_be_caught_as_another_stays_one() -> None:
    def rebase(document: dict[str, Any]) -> None:
        document["x-errors"]["Refused"]["bases"] = ["NotFound", "DomainError"]

    assert said(rebase) == ["shop.Refused is no Conflict any more, and may be caught as one."]


def test_a_subscription_may_move_to_an_event_that_looks_the_same() -> None:
    def move(document: dict[str, Any]) -> None:
        document["x-jobs"]["on_happened"]["event"] = "Occurred"

    assert said(move) == []


def test_what_a_caller_may_leave_out_stays_what_it_was() -> None:
    def asking(default: int) -> dict[str, Any]:
        arguments: Any = make_dataclass("AskArguments", [("given", int, default)])
        made = contract(int)
        found, made["components"]["schemas"] = describe(
            [("ask", "validation", TypeAdapter(arguments))]
        )
        body = {"schema": found["ask", "validation"]}
        content = {"content": {"application/json": body}}
        made["paths"]["/_modules/shop/ask"]["post"]["requestBody"] = content
        return made | {"x-events": {}, "x-jobs": {}}

    [only] = rules.compare({"shop": asking(50)}, {"shop": asking(20)})
    assert only.text == "shop.ask: its argument given is 20 where it is left out, and was 50."
    assert rules.compare({"shop": asking(50)}, {"shop": asking(50)}) == []


def test_the_interface_counts_only_where_main_has_a_service() -> None:
    before = {"shop": contract(int, service=None)}
    breaks = rules.compare(before, {"shop": contract(str)})
    assert {each.subject for each in breaks} == {"shop.Happened", "shop.work"}
    # Taking the table out in the same change is no way around it.
    breaks = rules.compare({"shop": contract(int)}, {"shop": contract(str, service=None)})
    assert {each.subject for each in breaks} == {"shop.ask", "shop.Happened", "shop.work"}


def test_a_module_that_is_renamed_is_compared_under_its_new_name() -> None:
    after = {"store": contract(str) | {"x-former": "shop"}}
    assert rules.compare({"shop": contract(str)}, after) == []
    assert len(rules.compare({"shop": contract(int)}, after)) == 4


def test_a_module_that_is_gone_takes_its_jobs_along_if_it_is_said_to_be_removed() -> None:
    def gone(service: str | None, after: dict[str, Any]) -> set[str]:
        breaks = rules.compare({"shop": contract(Line, service)}, after)
        return {each.subject for each in breaks}

    queued = {"shop.Happened", "shop.work", "shop.on_happened"}
    removed = {"shop": {"x-is-removed": True}}
    assert gone(None, {}) == queued
    assert gone(None, removed) == set()
    assert gone("scaling", removed) == {"shop.ask"}
    assert rules.compare(removed, {}) == []


def test_what_is_retired_must_be_there() -> None:
    documents = {"shop": retired("ask", "join", "Happened", "work", "Refused", "asked")}
    assert list(rules.unknown_retired(documents)) == [("shop", "asked")]


def test_a_type_that_only_python_knows_is_compared_by_its_name() -> None:
    wanted: list[Any] = [("", "validation", TypeAdapter(Sequence[Opaque]))]
    with pytest.raises(PydanticInvalidForJsonSchema):
        describe(wanted)
    [found] = describe(wanted, is_lenient=True)[0].values()
    assert f"{Opaque.__qualname__}'>" in found["items"]["x-python"]


def test_a_change_is_told_by_field_and_place() -> None:
    _, schemas = describe([("", "validation", TypeAdapter(Line))], Path(__file__).parent)
    assert schemas["Line"]["x-source"] == f"{Path(__file__).name}:Line"
    assert place_of(Path, Path(__file__).parent) is None
    [argument, result, event, job] = rules.compare(
        {"shop": contract(Sequence[Line])}, {"shop": contract(Sequence[Product])}
    )
    assert argument.text == "shop.ask: its argument given[].quantity was taken away."
    assert argument.place == "__init__.py:Shop.ask.given"
    assert result.text == "shop.ask: its result [].quantity was taken away."
    assert (event.text, event.part) == (
        "shop.Happened: given[].quantity was taken away.",
        ".given[].quantity",
    )
    assert job.subject == "shop.work"


@settings(max_examples=60, deadline=None)
@given(kinds())
def test_nothing_changed_breaks_nothing(kind: Kind) -> None:
    assert broken(kind.hint(), kind.hint()) == set()


@settings(max_examples=60, deadline=None)
@given(st.data(), changed_kinds())
def test_what_passes_can_be_read_by_both_releases(
    data: st.DataObject, pair: tuple[Kind, Kind]
) -> None:
    old, new = (TypeAdapter(each.hint()) for each in pair)
    breaks = broken(pair[0].hint(), pair[1].hint())
    written = old.dump_json(data.draw(values_of(pair[0]), "written by the older"))
    if "argument" not in breaks:
        new.validate_json(written, strict=True, extra="forbid")
    if "event" not in breaks:  # As the queue reads what another release wrote.
        read = new.validate_json(written, strict=True, extra="forbid")
        assert holds(json.loads(new.dump_json(read)), json.loads(written))
    if "result" not in breaks:
        written = new.dump_json(data.draw(values_of(pair[1]), "written by the newer"))
        old.validate_json(written, strict=True)


def holds(after: Any, before: Any) -> bool:
    """Whether nothing that was written is gone, or another value."""
    if isinstance(before, dict):
        return isinstance(after, dict) and all(
            name in after and holds(after[name], each) for name, each in before.items()
        )
    if isinstance(before, list):
        return len(before) == len(after) and (
            all(map(holds, after, before)) or sorted(map(str, before)) == sorted(map(str, after))
        )
    return bool(after == before)
