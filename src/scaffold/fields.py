"""An entity and its fields, as they are typed: `starts_at:datetime note:text?`."""

import difflib
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scaffold import names
from scaffold.errors import ScaffoldError

KINDS = {
    "text": "",
    "int": "",
    "bigint": "",
    "bool": "",
    "uuid": "",
    "date": "",
    "datetime": "",
    "money": "",
    "decimal": "(8,2)",
    "enum": "(open,done)",
}
"""The types, and what one that takes something in parentheses looks like."""
_MEANT = {
    **dict.fromkeys(("char", "str", "string", "varchar"), "text"),
    **dict.fromkeys(("double", "float", "number", "numeric"), "decimal"),
    **dict.fromkeys(("timestamp", "timestamptz", "time"), "datetime"),
    **dict.fromkeys(("long", "int8", "serial"), "bigint"),
    **dict.fromkeys(("references", "foreign", "fk", "id", "guid"), "uuid"),
    "price": "money",
}
"""What others call them."""
LONGEST = 40
"""Characters: indexes and constraints bear the name of a column and its table, in 63 bytes."""
_DIGITS = 100

_PRESENT = ("id", "owner", "version", "created_at")
_RANGES = {
    **dict.fromkeys(("date", "datetime"), ("_from", "_before")),
    **dict.fromkeys(("int", "bigint", "money", "decimal"), ("_min", "_max")),
}

# Words that PostgreSQL reserves. What SQLAlchemy writes quotes them; what people write seldom does.
_SQL = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check
    collate collation column concurrently constraint create cross current_catalog current_date
    current_role current_schema current_time current_timestamp current_user default deferrable desc
    distinct do else end except false fetch for foreign freeze from full grant group having ilike in
    initially inner intersect into is isnull join lateral leading left like limit localtime
    localtimestamp natural not notnull null offset on only or order outer overlaps placing primary
    references returning right select session_user similar some symmetric system_user table
    tablesample then to trailing true union unique user using variadic verbose when where window
    with
    """.split()
)
# What the classes have already that fields stand in, and the types that their annotations name.
_OF_CLASSES = frozenset(
    """
    after args bool cls construct copy date datetime dict from_orm func int json kwargs limit
    mapped_column metadata page parse_file parse_obj parse_raw registry schema schema_json self sort
    str update_forward_refs uuid7 validate
    """.split()
)
_ENDS = frozenset({"Changes", "Created", "NotFound", "Outdated", "Page", "Query", "Row", "Rules"})
"""What classes of an entity are called, behind its name."""

_FIELD = re.compile(r"([^\s:]+):([^\s(?]+)(\([^)]*\))?(\?)?")


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        name: of the column, and in JSON.
        kind: one of `KINDS`.
        args: what stands in its parentheses: digits of a decimal, values of an enum.
        nullable: whether it may be missing.
    """

    name: str
    kind: str
    args: tuple[int, ...] | tuple[str, ...] = ()
    nullable: bool = False

    def as_answer(self) -> dict[str, object]:
        """As the template's skeletons read it."""
        return {
            "name": self.name,
            "Name": names.class_name(self.name),
            "kind": self.kind,
            "args": list(self.args),
            "nullable": self.nullable,
        }

    def asked_by(self) -> tuple[str, ...]:
        """The parameters of a list that are about it."""
        return (self.name, *(self.name + end for end in _RANGES.get(self.kind, ())))


@dataclass(frozen=True)
class Entity:
    """What a module is to keep.

    Attributes:
        name: in the singular.
        plural: several of them; none takes what the template makes of it.
        fields: what is to be known of each.
    """

    name: str
    plural: str | None
    fields: list[Field]


def parse(text: str) -> list[Field]:
    """Read fields: `patient_id:uuid note:text? fee:decimal(8,2) status:enum(open,done)`.

    Raises:
        ScaffoldError: for the first that will not do.
    """
    fields = [_field(entry) for entry in _split(text)]
    if not fields:
        raise ScaffoldError("--fields names none; write NAME:TYPE, such as starts_at:datetime")
    asked: dict[str, str] = {}
    for field in fields:
        for name in field.asked_by():
            if asked.get(name) == field.name == name:
                raise ScaffoldError(f"the field {name!r} stands there twice; leave one out")
            if name in asked:
                raise ScaffoldError(
                    f"the list of {field.name!r} and {asked[name]!r} would both be asked by "
                    f"{name!r}; give one of them another name"
                )
            asked[name] = field.name
    return fields


def _split(text: str) -> Iterator[str]:
    """Yield what stands between spaces, but for those inside parentheses."""
    yield from re.sub(r"\([^)]*\)", lambda inside: re.sub(r"\s", "", inside[0]), text).split()


def _field(entry: str) -> Field:
    found = _FIELD.fullmatch(entry)
    if found is None:
        raise ScaffoldError(
            f"{entry!a} is no field; write NAME:TYPE, such as starts_at:datetime, and `?` behind "
            "the type of what may be missing"
        )
    name, kind, inside, nullable = found.groups()
    _check_name(name)
    if kind not in KINDS:
        meant = {**{each: each for each in KINDS}, **_MEANT}
        near = difflib.get_close_matches(kind.lower(), meant, 1, 0.6)
        better = f"; did you mean {meant[near[0]]}?" if near else ""
        raise ScaffoldError(
            f"the field {name!r} has the type {kind!a}, which does not exist; there are "
            f"{', '.join(kind + example for kind, example in KINDS.items())}{better}"
        )
    if bool(inside) != bool(KINDS[kind]):
        what = "takes nothing in parentheses" if inside else "says more in parentheses"
        raise ScaffoldError(
            f"the type of {name!r} {what}; write {name}:{kind}{KINDS[kind]}{nullable or ''}"
        )
    parts = [part for part in (inside or "")[1:-1].split(",") if part]
    args: tuple[int, ...] | tuple[str, ...] = ()
    if kind == "decimal":
        args = _digits(name, parts)
    elif kind == "enum":
        args = _values(name, parts)
    if kind == "enum" and names.class_name(name) in _ENDS:
        raise ScaffoldError(
            f"the enum {name!r} would have the name of another class of the entity; take another "
            f"name, such as {name}_kind"
        )
    return Field(name, kind, args, nullable is not None)


def _check_name(name: str) -> None:
    names.check_shape("field", name, LONGEST)
    if name in _PRESENT:
        raise ScaffoldError(
            f"the field {name!r} is there already: each entity has {', '.join(_PRESENT)}; leave it "
            "out"
        )
    if keyword.iskeyword(name) or name in _SQL:
        raise ScaffoldError(
            f"the field name {name!r} is reserved by Python or PostgreSQL; take another, such as "
            f"{name}_value"
        )
    if name in _OF_CLASSES or name.startswith("model_"):
        raise ScaffoldError(
            f"the field name {name!r} is one that pydantic, SQLAlchemy or the lists of the "
            f"platform use; take another, such as {f'its_{name}'!r}"
        )


def _digits(name: str, parts: list[str]) -> tuple[int, ...]:
    if len(parts) == 2 and all(re.fullmatch("[0-9]{1,3}", part) for part in parts):
        digits, places = map(int, parts)
        if places < digits <= _DIGITS:  # Pydantic takes no 0 where no digit is in front.
            return digits, places
    raise ScaffoldError(
        f"the decimal {name!r} does not say how many digits it has; write {name}:decimal(8,2) for "
        f"eight, two of them behind the point, at most {_DIGITS} and one in front of it"
    )


def _values(name: str, parts: list[str]) -> tuple[str, ...]:
    for part in parts:
        if not re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*", part) or len(part) > LONGEST:
            raise ScaffoldError(
                f"the enum {name!r} cannot have the value {part!a}; use at most {LONGEST} "
                "lower-case letters, digits and single underscores, starting with a letter"
            )
    if not parts:
        raise ScaffoldError(f"the enum {name!r} has no values; write {name}:enum(open,done)")
    if len(set(parts)) < len(parts):
        raise ScaffoldError(f"the enum {name!r} has a value twice; leave one out")
    return tuple(parts)
