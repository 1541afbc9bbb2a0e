"""Which types do not cross to another process: they would come back as something else, or not at all."""

from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import combinations
from typing import Any

Schema = Mapping[str, Any]
"""A part of Pydantic's core schema."""

_NO_VALUES = {
    "any": "it may be anything: say what it is",
    "callable": "it is a function: pass a value that says which one",
    "is-subclass": "it is a class: pass a value that says which one",
    "is-instance": "part of it has no schema: pass a dataclass, or an id",
    "generator": "it is read later: pass a Sequence",
}
_TEXTS = frozenset(
    ("bytes", "date", "datetime", "decimal", "fraction", "str", "time", "timedelta", "url", "uuid")
)
"""What JSON writes as a text."""
_KEYS = frozenset({*_TEXTS, "bool", "float", "int"})
"""What JSON can write before a colon, and Pydantic reads back."""
_LISTS = frozenset(("deque", "frozenset", "list", "named-tuple", "set", "tuple"))
_DICTS = frozenset(("counter", "dict", "ordered-dict"))
_AROUND = ("default", "function-after", "function-before", "function-wrap", "nullable")
_NOT_SCHEMAS = frozenset(
    ("cls", "config", "default", "expected", "members", "metadata", "serialization")
)


def inside(schema: Schema) -> Iterator[tuple[str, Any]]:
    """Yield what stands in a schema that is made of schemas, by the keys of its names."""
    return ((name, each) for name, each in schema.items() if name not in _NOT_SCHEMAS)


def refusals(part: Any, holder: str = "") -> Iterator[str]:
    """Yield why a part of a schema does not cross. `holder` is Pydantic's own class around it."""
    if isinstance(part, list | tuple):
        for each in part:
            yield from refusals(each, holder)
    if not isinstance(part, dict):
        return
    kind = part.get("type")
    if not isinstance(kind, str):  # Fields by their names, or choices by their tags.
        yield from refusals(list(part.values()), holder)
    elif kind in ("lax-or-strict", "json-or-python"):  # Another way is for values of Python.
        yield from refusals(_of_json(part), holder)
    elif why := _why(part, kind, holder):
        yield why
    else:
        cls: Any = part.get("cls")
        if kind == "model" or (kind == "dataclass" and "__pydantic_validator__" in vars(cls)):
            holder = "" if "ser_json_bytes" in part.get("config", {}) else cls.__name__
        for _, each in inside(part):
            yield from refusals(each, holder)


def _of_json(schema: Schema) -> Schema:
    while schema["type"] in ("lax-or-strict", "json-or-python"):
        schema = schema["strict_schema" if schema["type"] == "lax-or-strict" else "json_schema"]
    return schema


def _why(part: Schema, kind: str, holder: str) -> str | None:
    cls: Any = part.get("cls")
    if kind in _NO_VALUES:
        return _NO_VALUES[kind]
    if hasattr(cls, "__mapper__"):
        return f"{cls.__name__} is a row of a table: pass a dataclass with what is in it"
    if kind == "enum":
        return _why_not_enum(cls)
    if kind == "bytes" and holder:
        return f"{holder} is Pydantic's own, which writes bytes as text: make it a @dataclass"
    if kind == "dataclass-field" and part.get("init_only"):
        return f"nobody has {part['name']}, an InitVar, once it is made: keep it in a field"
    if kind == "dict":
        keys = _choices(part.get("keys_schema", {"type": "any"}))
        is_said = all(each["type"] != "any" for each in keys)
        if is_said and not all(map(_is_key, keys)):
            return "JSON has no such keys: pass a Sequence of pairs"
    return _why_not_union(part) if kind == "union" else None


def _why_not_enum(cls: type[Enum]) -> str | None:
    if all(isinstance(each.value, str | int | float | None) for each in cls):
        return None
    return f"{cls.__name__} has members whose values are neither texts nor numbers: give them texts"


def _why_not_union(schema: Schema) -> str | None:
    """Two texts look alike in JSON, and so do two lists; objects do, unless their fields tell."""
    choices = _choices(schema)
    kinds = [each["type"] for each in choices]
    for what, alike in (("texts", {*_TEXTS, "enum"}), ("lists", _LISTS), ("dicts", _DICTS)):
        if len([kind for kind in kinds if kind in alike]) > 1:
            return f"two of its choices are {what} in JSON and look alike: put each into a class"
    objects = [found for each in choices if (found := _fields(each)) is not None]
    if objects and not _DICTS.isdisjoint(kinds):
        return "a dict and an object look alike in JSON: put the dict into a class"
    for one, other in combinations(objects, 2):
        if _look_alike(one, other):
            return f"{one['']} and {other['']} look alike in JSON: give both a field of another Literal"
    return None


_Fields = dict[str, Any]
"""The schema of each field by its name, and under no name what their class is called."""


def _fields(schema: Schema) -> _Fields | None:
    """Return the fields of an object; None for what is none."""
    name = getattr(schema.get("cls"), "__name__", "one")
    while schema["type"] in ("dataclass", "model", *_AROUND):
        schema = schema["schema"]
    fields = schema.get("fields")
    if schema["type"] == "dataclass-args":
        fields = {each["name"]: each for each in schema["fields"]}
    return {"": name, **fields} if isinstance(fields, dict) else None


def _look_alike(one: _Fields, other: _Fields) -> bool:
    def needs(fields: _Fields) -> set[str]:
        return {name for name, each in fields.items() if name and _is_required(each)}

    for name in (one.keys() & other.keys()) - {""}:
        tags = [each[name]["schema"].get("expected") for each in (one, other)]
        if tags[0] and tags[1] and not set(tags[0]) & set(tags[1]):
            return False
    return needs(one) <= other.keys() and needs(other) <= one.keys()


def _is_required(field: Schema) -> bool:
    return field["schema"]["type"] != "default" and field.get("required") is not False


def _choices(schema: Schema) -> list[Schema]:
    """Return what a value may be, without what stands around it."""
    schema = _of_json(schema)
    kind = schema["type"]
    if kind == "union":
        parts = (each[0] if isinstance(each, tuple) else each for each in schema["choices"])
        return [each for part in parts for each in _choices(part)]
    if kind in _AROUND:
        return [*([{"type": "none"}] if kind == "nullable" else []), *_choices(schema["schema"])]
    return [schema]


def _is_key(schema: Schema) -> bool:
    kind = schema["type"]
    if kind == "enum":
        return all(isinstance(each.value, str) for each in schema["cls"])
    if kind == "literal":
        return all(isinstance(each, str) for each in schema["expected"])
    return kind in _KEYS
