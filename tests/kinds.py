"""Types that may cross between two releases, what another release makes of them, and their values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, make_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from functools import cache
from typing import Annotated, Any, NotRequired
from uuid import UUID

from hypothesis import strategies as st
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

_NUMBERS = st.integers(-9, 9)
_TEXTS = st.text("abc", max_size=3)
_PLAIN: Mapping[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "int": (int, _NUMBERS),
    "natural": (Annotated[int, Field(ge=0)], st.integers(0, 9)),
    "float": (float, st.sampled_from([-1.5, 0.0, 2.0])),
    "bool": (bool, st.booleans()),
    "str": (str, _TEXTS),
    "short": (Annotated[str, Field(max_length=2)], st.text("abc", max_size=2)),
    "decimal": (Decimal, st.sampled_from([Decimal("1.50"), Decimal(2)])),
    "uuid": (UUID, st.uuids()),
    "date": (date, st.just(date(2026, 11, 30))),
    "datetime": (datetime, st.just(datetime(2026, 11, 30, tzinfo=UTC))),
}
_MEMBERS = ("RED", "BLUE", "GREEN")


@dataclass(frozen=True)
class Kind:
    """A type, as data."""

    name: str
    parts: tuple["Kind", ...] = ()
    members: tuple[str, ...] = ()
    """Of an enum; the fields of a class, behind which stands * where they may be left out."""

    def hint(self) -> Any:
        """The type itself."""
        return _hint(self)


@cache
def _hint(kind: Kind) -> Any:
    if kind.name in _PLAIN:
        return _PLAIN[kind.name][0]
    if kind.name in _HOLDERS:
        return _HOLDERS[kind.name](*(each.hint() for each in kind.parts))
    return _MAKERS[kind.name](kind)


def _text_enum(kind: Kind) -> Any:
    return StrEnum("Colour", {each: each.lower() for each in kind.members})


def _number_enum(kind: Kind) -> Any:
    return IntEnum("Level", {each: number for number, each in enumerate(kind.members)})


def _class(kind: Kind) -> Any:
    fields: list[Any] = []
    for name, part in zip(kind.members, kind.parts, strict=True):
        default = _one_of(part) if name.endswith("*") else None
        more = [field(default_factory=lambda it=default: it)] if name.endswith("*") else []
        fields.append((name.rstrip("*"), part.hint(), *more))
    return make_dataclass("Thing", fields, frozen=True, kw_only=True)


def _dict(kind: Kind) -> Any:
    hints = {
        name.rstrip("*"): NotRequired[part.hint()] if name.endswith("*") else part.hint()
        for name, part in zip(kind.members, kind.parts, strict=True)
    }
    return TypedDict("Options", hints)  # type: ignore[operator]


_HOLDERS: Mapping[str, Callable[..., Any]] = {
    "list": list.__class_getitem__,
    "optional": lambda part: part | None,
    "mapping": lambda part: dict.__class_getitem__((str, part)),
    "by number": lambda part: dict.__class_getitem__((int, part)),
}
_MAKERS: Mapping[str, Callable[[Kind], Any]] = {
    "text enum": _text_enum,
    "number enum": _number_enum,
    "class": _class,
    "dict": _dict,
}


def kinds() -> st.SearchStrategy[Kind]:
    """Any type."""
    members = st.lists(st.sampled_from(_MEMBERS), min_size=1, unique=True).map(tuple)
    plain = st.one_of(
        st.sampled_from([*_PLAIN]).map(Kind),
        st.builds(lambda each: Kind("text enum", (), each), members),
        st.builds(lambda each: Kind("number enum", (), each), members),
    )
    return st.recursive(plain, _holding, max_leaves=4)


def _holding(part: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    names = st.lists(st.sampled_from("abc"), max_size=3, unique=True)
    fields = names.flatmap(
        lambda some: st.tuples(
            st.tuples(*(st.sampled_from([each, f"{each}*"]) for each in some)),
            st.tuples(*(part for _ in some)),
        )
    )
    holders = st.tuples(st.sampled_from([*_HOLDERS]), part)
    return st.one_of(
        holders.map(lambda each: Kind(each[0], (each[1],))),
        fields.map(lambda each: Kind("class", each[1], each[0])),
        fields.map(lambda each: Kind("dict", each[1], each[0])),
    )


@st.composite
def changed_kinds(draw: st.DrawFn) -> tuple[Kind, Kind]:
    """A type, and what it is in the next release."""
    old = draw(kinds())
    return old, draw(_changed(old))


@st.composite
def _changed(draw: st.DrawFn, old: Kind) -> Kind:
    """Change one thing somewhere."""
    if old.parts and draw(st.booleans()):
        number = draw(st.integers(0, len(old.parts) - 1))
        parts = list(old.parts)
        parts[number] = draw(_changed(parts[number]))
        return Kind(old.name, tuple(parts), old.members)
    changed: Kind = draw(
        st.one_of(
            st.just(Kind("optional", (old,)) if old.name != "optional" else old.parts[0]),
            kinds(),
            *([_with_a_field(old)] * 3 if old.name in ("class", "dict") else []),
            *([_with_other_members(old)] * 3 if old.name.endswith("enum") else []),
            *([st.sampled_from([*_PLAIN]).map(Kind)] * 2 if old.name in _PLAIN else []),
        )
    )
    return changed


def _with_a_field(old: Kind) -> st.SearchStrategy[Kind]:
    """One more, one less, or one that may be left out or not any more."""
    more = st.tuples(st.sampled_from(["d", "d*", "d*"]), kinds()).map(
        lambda each: Kind(old.name, (*old.parts, each[1]), (*old.members, each[0]))
    )
    if not old.members:
        return more
    turned = (
        old.members[0][:-1] if old.members[0].endswith("*") else f"{old.members[0]}*",
        *old.members[1:],
    )
    return st.one_of(
        more,
        more,
        st.just(Kind(old.name, old.parts[1:], old.members[1:])),
        st.just(Kind(old.name, old.parts, turned)),
    )


def _with_other_members(old: Kind) -> st.SearchStrategy[Kind]:
    members = st.lists(st.sampled_from(_MEMBERS), min_size=1, unique=True)
    return members.map(lambda each: Kind(old.name, (), tuple(each)))


def values_of(kind: Kind) -> st.SearchStrategy[Any]:
    """Values of that type, as Pydantic reads them."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind.hint())
    return _raw(kind).map(adapter.validate_python)


def _raw(kind: Kind) -> st.SearchStrategy[Any]:
    if kind.name in _PLAIN:
        return _PLAIN[kind.name][1]
    if kind.name.endswith("enum"):
        found: type[Enum] = kind.hint()
        return st.sampled_from([each.value for each in found])
    parts = [_raw(each) for each in kind.parts]
    if kind.name == "optional":
        return st.none() | parts[0]
    if kind.name == "list":
        return st.lists(parts[0], max_size=2)
    if kind.name in ("mapping", "by number"):
        return st.dictionaries(_TEXTS if kind.name == "mapping" else _NUMBERS, parts[0], max_size=2)
    names = zip(kind.members, parts, strict=True)
    needed = {name: part for name, part in names if not name.endswith("*")}
    optional = {
        name[:-1]: part for name, part in zip(kind.members, parts, strict=True) if name[-1] == "*"
    }
    return st.fixed_dictionaries(needed, optional=optional)


def _one_of(kind: Kind) -> Any:
    """The value that a field of that type has by default."""
    raw: dict[str, Any] = {
        "int": 1,
        "natural": 1,
        "float": 1.5,
        "bool": True,
        "str": "a",
        "short": "a",
        "decimal": Decimal(1),
        "uuid": UUID(int=1),
        "date": date(2026, 1, 1),
        "datetime": datetime(2026, 1, 1, tzinfo=UTC),
        "optional": None,
        "list": [],
        "mapping": {},
        "by number": {},
    }
    if kind.name in raw:
        return raw[kind.name]
    hint = kind.hint()
    if kind.name.endswith("enum"):
        return next(iter(hint))
    needed = {
        name: _one_of(part)
        for name, part in zip(kind.members, kind.parts, strict=True)
        if not name.endswith("*")
    }
    return hint(**needed)
