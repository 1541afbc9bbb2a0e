"""The shape of a job's arguments: by it, two versions of the code know whether they mean the same.

In JSON, 7 may be a number or a member of an enum. So what was written under another shape is read
strictly, and must be written again as it was; the names of an enum's numbers travel with the job; and
a union of what looks alike in JSON is refused.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations, zip_longest
from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import from_json, PydanticSerializationError

Schema = Mapping[str, Any]
Members = dict[str, dict[str, list[str]]]
"""Where an enum stands, its values, and what they are called."""

_MEMBERS = "x-members"
_DEEPEST = 20
"""How far parts are followed that may contain themselves."""


class _Generate(GenerateJsonSchema):
    """Says what the members of an enum are called whose values do not say it themselves, and what
    stands before the colons of a dict."""

    def enum_schema(self, schema: Any) -> dict[str, Any]:
        names: dict[str, list[str]] = {}
        for name, member in schema["cls"].__members__.items():  # Other names of one included.
            if not isinstance(member.value, str):
                names.setdefault(str(member.value), []).append(name)
        return super().enum_schema(schema) | {_MEMBERS: names}

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        names = self.generate_inner(schema.get("keys_schema", {"type": "any"}))
        if "anyOf" in names:
            names = {"anyOf": [_in_quotes(each) for each in names["anyOf"]]}
        return super().dict_schema(schema) | {"propertyNames": names}


def _in_quotes(part: dict[str, Any]) -> dict[str, Any]:
    """Return what a number is before a colon: a text."""
    kind = part.get("type")
    is_number = kind in ("integer", "number")
    return {**part, "type": "string", "format": "number"} if is_number else part


@cache
def shape_of(name: str, adapter: TypeAdapter[Any]) -> str:
    """Return what tells two versions of a job's arguments apart: fields, types, members of enums.

    Rules that only code knows, as in `__post_init__`, are no part of it.
    """
    try:
        shape = json.dumps(adapter.json_schema(schema_generator=_Generate), sort_keys=True)
    except PydanticInvalidForJsonSchema:  # A type with a serializer of its own.
        shape = repr(adapter.core_schema)
    return hashlib.sha256(f"{name} {shape}".encode()).hexdigest()[:12]


@cache
def members_of(adapter: TypeAdapter[Any]) -> Members:
    """Return what the members of enums are called that are not written as texts."""
    found: Members = {}
    for where, part in _Described(adapter).parts():
        for value, names in part.get(_MEMBERS, {}).items():
            found.setdefault(where.lstrip("."), {}).setdefault(value, []).extend(names)
    return found


def renumbered(theirs: object, ours: Members) -> str | None:
    """Say which value of an enum another version gives another name, if any."""
    for where, values in ours.items():
        for value, names in values.items():
            known = _at(_at(theirs, where), value)
            if isinstance(known, list) and not set(names) & set(map(str, known)):
                return f"{where}: {value} is {names[0]} here, and was {', '.join(map(str, known))}"
    return None


def _at(found: object, key: str) -> object:
    return found.get(key) if isinstance(found, dict) else None


def changed(adapter: TypeAdapter[Any], written: bytes, arguments: object) -> str | None:
    """Say where something was written that is another value once it was read, if anywhere. What has
    come to it by default is no change."""
    try:
        again = adapter.dump_json(arguments)
    except PydanticSerializationError:
        return None  # A type that is only read: nobody knows.
    where = _changed(from_json(written), from_json(again), "")
    return None if where is None else where.lstrip(".") or "all"


def _changed(before: Any, after: Any, where: str) -> str | None:
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = [(each, after.get(name), f"{where}.{name}") for name, each in before.items()]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        if sorted(map(_text, before)) == sorted(map(_text, after)):  # A set has no order.
            return None
        pairs = [(one, other, where) for one, other in zip(before, after, strict=True)]
    else:
        is_same = before == after and isinstance(before, bool) is isinstance(after, bool)
        return None if is_same else where
    return next((found for each in pairs if (found := _changed(*each)) is not None), None)


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def look_alikes(adapter: TypeAdapter[Any]) -> tuple[str, str, str] | None:
    """Return where a union stands two of which could be taken for each other in JSON, and those two."""
    described = _Described(adapter)
    for where, part in described.parts():
        for one, other in combinations(map(described.resolved, part.get("anyOf", ())), 2):
            # A literal is the same for all who read it, and so is whatever an `object` is.
            is_harmless = any(
                not each or (_MEMBERS not in each and ("enum" in each or "const" in each))
                for each in (one, other)
            )
            if not is_harmless and described.can_meet(one, other):
                return where.lstrip("."), _named(one), _named(other)
    return None


class _Described:
    """The JSON schema of what is written."""

    def __init__(self, adapter: TypeAdapter[Any]) -> None:
        try:
            self._all = adapter.json_schema(mode="serialization", schema_generator=_Generate)
        except PydanticInvalidForJsonSchema:
            self._all = {}

    def parts(self) -> Iterator[tuple[str, Schema]]:
        """Return every part, and the names of the fields that lead to it."""
        return self._parts(self._all, "", ())

    def _parts(
        self, part: Schema, where: str, above: tuple[str, ...]
    ) -> Iterator[tuple[str, Schema]]:
        if (name := part.get("$ref")) in above:
            return
        part, above = self.resolved(part), (*above, name) if name else above
        yield where, part
        for field, each in part.get("properties", {}).items():
            yield from self._parts(each, f"{where}.{field}", above)
        for each in (*_several(part), *_inside(part)):
            yield from self._parts(each, where, above)

    def resolved(self, part: Schema) -> Schema:
        """Return what a reference stands for."""
        name = part.get("$ref", "").removeprefix("#/$defs/")
        found: Schema = self._all["$defs"][name] if name else part
        return found

    def can_meet(self, one: Schema, other: Schema, depth: int = _DEEPEST) -> bool:
        """Say whether what is written as the one could be read as the other."""
        one, other = self.resolved(one), self.resolved(other)
        if severals := _several(one):
            return any(self.can_meet(each, other, depth) for each in severals)
        if _several(other):
            return self.can_meet(other, one, depth)
        kind = one.get("type")
        if not depth or None in (kind, other.get("type")):
            return True
        if kind != other["type"]:
            return False
        if kind == "object":
            return self._objects_can_meet(one, other, depth - 1)
        if kind == "array":
            return self._arrays_can_meet(one, other, depth - 1)
        if values := [set(map(_text, given)) for each in (one, other) if (given := _values(each))]:
            return bool(set.intersection(*values))
        forms = {each.get("format") or each.get("pattern") for each in (one, other)}
        return len(forms) == 1 or None in forms

    def _objects_can_meet(self, one: Schema, other: Schema, depth: int) -> bool:
        fields, others = one.get("properties"), other.get("properties")
        if fields is not None and others is not None:
            # Whatever is written has all fields, and is read where there is none too many.
            return (
                (fields.keys() <= others.keys() and fields.keys() >= {*other.get("required", ())})
                or (others.keys() <= fields.keys() and others.keys() >= {*one.get("required", ())})
            ) and all(
                self.can_meet(fields[name], others[name], depth)
                for name in fields.keys() & others.keys()
            )
        values = one.get("additionalProperties", {}), other.get("additionalProperties", {})
        if fields is None and others is None:
            return self.can_meet(*values, depth)
        value = values[fields is not None]  # Of the one without fields.
        each_field = (fields or others or {}).values()
        return all(self.can_meet(each, value, depth) for each in each_field)

    def _arrays_can_meet(self, one: Schema, other: Schema, depth: int) -> bool:
        first, second = one.get("prefixItems", ()), other.get("prefixItems", ())
        if first and second and len(first) != len(second):
            return False
        places = zip_longest(first, second) if first or second else [(None, None)]
        return all(
            self.can_meet(a or one.get("items", {}), b or other.get("items", {}), depth)
            for a, b in places
        )


def _several(part: Schema) -> Sequence[Schema]:
    return (*part.get("anyOf", ()), *part.get("oneOf", ()))


def _inside(part: Schema) -> Iterator[Schema]:
    for name in ("items", "additionalProperties", "propertyNames"):
        if isinstance(part.get(name), dict):
            yield part[name]
    yield from part.get("prefixItems", ())


def _values(part: Schema) -> list[object]:
    return [*part.get("enum", ()), *([part["const"]] if "const" in part else ())]


def _named(part: Schema) -> str:
    return str(part.get("title") or part.get("format") or part.get("type"))
