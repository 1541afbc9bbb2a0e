"""The shape of a job's arguments: by it, two versions of the code know whether they mean the same.

In JSON, 7 may be a number or a member of an enum. So what was written under another shape is read
strictly, and must be written again as it was, and the names of an enum's numbers travel with the job.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import from_json, PydanticSerializationError

Schema = Mapping[str, Any]
Members = dict[str, dict[str, list[str]]]
"""Where an enum stands, its values, and what they are called."""

MEMBERS = "x-members"
"""Where the schema of an enum tells what its values are called."""


class _Generate(GenerateJsonSchema):
    """Says what the members of an enum are called whose values do not say it themselves, and what
    stands before the colons of a dict."""

    def enum_schema(self, schema: Any) -> dict[str, Any]:
        names: dict[str, list[str]] = {}
        for name, member in schema["cls"].__members__.items():  # Other names of one included.
            if not isinstance(member.value, str):
                names.setdefault(str(member.value), []).append(name)
        return super().enum_schema(schema) | {MEMBERS: names}

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
    for where, part in Described(adapter).parts():
        for value, names in part.get(MEMBERS, {}).items():
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


class Described:
    """The JSON schema of what is written, part by part."""

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
        for each in (*several(part), *_inside(part)):
            yield from self._parts(each, where, above)

    def resolved(self, part: Schema) -> Schema:
        """Return what a reference stands for."""
        name = part.get("$ref", "").removeprefix("#/$defs/")
        found: Schema = self._all["$defs"][name] if name else part
        return found


def several(part: Schema) -> Sequence[Schema]:
    """Return what a union is made of."""
    return (*part.get("anyOf", ()), *part.get("oneOf", ()))


def _inside(part: Schema) -> Iterator[Schema]:
    for name in ("items", "additionalProperties", "propertyNames"):
        if isinstance(part.get(name), dict):
            yield part[name]
    yield from part.get("prefixItems", ())
