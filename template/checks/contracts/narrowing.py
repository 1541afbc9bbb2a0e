"""Where values of one JSON schema are none of another: what Pydantic writes of schemas, and no more.

What is not known here must be the same on both sides.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from checks.contracts.schemas import BYTES, DIGITS, MEMBERS, REFERENCE, SOURCE

Schema = Mapping[str, Any]
Schemas = Mapping[str, Schema]
_TELLS_NOTHING = {
    "$comment",
    "default",
    "deprecated",
    "description",
    "discriminator",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
    MEMBERS,
    SOURCE,
}
_READ_HERE = {
    "additionalProperties",
    "anyOf",
    "const",
    "enum",
    "format",
    "items",
    "oneOf",
    "prefixItems",
    "properties",
    "propertyNames",
    "required",
    "type",
}
_AT_LEAST = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_AT_MOST = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", *DIGITS}
_ALSO = {
    "minimum": "exclusiveMinimum",
    "exclusiveMinimum": "minimum",
    "maximum": "exclusiveMaximum",
    "exclusiveMaximum": "maximum",
}
"""What says as much, but for the limit itself."""


class Misfit(NamedTuple):
    """A value that is written, and cannot be read."""

    path: str
    """The fields that lead to it: `.lines[].quantity`."""
    why: str
    place: str
    """Of the class and the field in the newer code, where that is known."""


@dataclass(frozen=True)
class Reading:
    """Of two releases, one reads what the other writes. Both have schemas that they refer to."""

    old: Schemas
    new: Schemas
    is_new_reader: bool
    _open: set[tuple[int, int]] = field(default_factory=set)

    def misfits(
        self, old: Schema, new: Schema, path: str = "", place: str = ""
    ) -> Iterator[Misfit]:
        """Find what the one may write and the other cannot read, or reads as something else."""
        old, new = resolved(old, self.old), resolved(new, self.new)
        place = new.get(SOURCE, place)
        pair = (id(old), id(new))
        if pair in self._open:  # What refers to itself fits, if the rest does.
            return
        self._open.add(pair)
        try:
            yield from self._misfits(old, new, path, place)
        finally:
            self._open.remove(pair)

    def _misfits(self, old: Schema, new: Schema, path: str, place: str) -> Iterator[Misfit]:
        if "anyOf" in old or "oneOf" in old or "anyOf" in new or "oneOf" in new:
            yield from self._union(old, new, path, place)
            return
        written, read = (old, new) if self.is_new_reader else (new, old)
        if (values := _values(written)) is not None and (known := _values(read)) is not None:
            yield from self._members(values, known, old, new, path, place)
            return
        is_narrower = values is None and _values(read) is not None
        if is_narrower or not _is_type(written, read) or _is_mapping(old) != _is_mapping(new):
            yield self._exchanged(old, new, path, place)
            return
        for key in sorted((written.keys() | read.keys()) - _TELLS_NOTHING - _READ_HERE):
            if not _is_within(key, written, read):
                was, now = (_said(key, each.get(key)) for each in (old, new))
                yield Misfit(path, f"has {now}, and had {was}", place)
        if written.get("type") == "object":
            yield from self._fields(old, new, path, place)
            yield from self._inside("propertyNames", old, new, path + " (keys)", place)
            yield from self._inside("additionalProperties", old, new, path + "{}", place)
        elif written.get("type") == "array":
            yield from self._items(old, new, path, place)

    def _exchanged(self, old: Schema, new: Schema, path: str, place: str) -> Misfit:
        now, was = _told(new, self.new), _told(old, self.old)
        return Misfit(path, f"is {now}, and was {was}", place)

    def _union(self, old: Schema, new: Schema, path: str, place: str) -> Iterator[Misfit]:
        olds, news = _several(old, self.old), _several(new, self.new)
        for written in olds if self.is_new_reader else news:
            pairs = [
                (written, each) if self.is_new_reader else (each, written)
                for each in (news if self.is_new_reader else olds)
            ]
            wrong = [list(self.misfits(*pair, path, place)) for pair in pairs]
            if all(wrong):
                alike = [
                    found
                    for (one, other), found in zip(pairs, wrong, strict=True)
                    if _kind(one) == _kind(other)
                ]
                if len(alike) == 1:
                    yield from alike[0]
                else:
                    yield self._exchanged(old, new, path, place)
                    return

    def _members(
        self, written: list[Any], read: list[Any], old: Schema, new: Schema, path: str, place: str
    ) -> Iterator[Misfit]:
        for value in written:
            if not any(value == each and type(value) is type(each) for each in read):
                now = "may not be {} any more" if self.is_new_reader else "may be {} now"
                yield Misfit(path, now.format(json.dumps(value, ensure_ascii=False)), place)
        names = new.get(MEMBERS, {})
        for value, known in old.get(MEMBERS, {}).items():
            if value in names and not set(known) & set(names[value]):
                why = f"calls {value} {names[value][0]} now, which was {known[0]}"
                yield Misfit(path, why, place)

    def _fields(self, old: Schema, new: Schema, path: str, place: str) -> Iterator[Misfit]:
        olds, news = old.get("properties", {}), new.get("properties", {})
        needed, was_needed = set(new.get("required", ())), set(old.get("required", ()))
        for name, schema in olds.items():
            at = f"{path}.{name}"
            if name not in news:
                yield Misfit(at, "was taken away", place)
                continue
            where = place and f"{place}.{name}"
            if self.is_new_reader and name in needed - was_needed:
                yield Misfit(at, "has no default any more", where)
            elif not self.is_new_reader and name in was_needed - needed:
                yield Misfit(at, "may be left out now", where)
            yield from self.misfits(schema, news[name], at, where)
        for name in news.keys() - olds.keys():
            at, where = f"{path}.{name}", place and f"{place}.{name}"
            if self.is_new_reader and name in needed:
                yield Misfit(at, "is new and has no default", where)
            elif not self.is_new_reader and old.get("additionalProperties") is False:
                yield Misfit(at, "is new, and readers forbid what they do not know", where)

    def _items(self, old: Schema, new: Schema, path: str, place: str) -> Iterator[Misfit]:
        olds, news = old.get("prefixItems", []), new.get("prefixItems", [])
        if bool(olds) != bool(news):
            yield self._exchanged(old, new, path, place)
            return
        for number, pair in enumerate(zip(olds, news, strict=False)):
            yield from self.misfits(*pair, f"{path}[{number}]", place)
        if len(news) < len(olds):
            yield Misfit(f"{path}[{len(news)}]", "was taken away", place)
        yield from self._inside("items", old, new, path + "[]", place)

    def _inside(
        self, key: str, old: Schema, new: Schema, path: str, place: str
    ) -> Iterator[Misfit]:
        one, other = old.get(key), new.get(key)
        if isinstance(one, dict) or isinstance(other, dict):
            one, other = (each if isinstance(each, dict) else {} for each in (one, other))
            yield from self.misfits(one, other, path, place)


def resolved(schema: Schema, schemas: Schemas) -> Schema:
    """Return what a reference stands for."""
    while "$ref" in schema:
        schema = schemas[schema["$ref"].removeprefix(REFERENCE)]
    return schema


def _several(schema: Schema, schemas: Schemas) -> list[Schema]:
    """Return what a union is made of, unions in it included."""
    schema = resolved(schema, schemas)
    parts = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return [each for part in parts for each in _several(part, schemas)] or [schema]


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def _is_type(written: Schema, read: Schema) -> bool:
    one, other = written.get("type"), read.get("type")
    if other is None and _values(read) is None:  # Anything, as far as the type goes.
        return True
    formats = read.get("format"), written.get("format")
    is_format = formats[0] == formats[1] or (formats[0] is None and formats[1] != BYTES)
    return is_format and (one == other or (one, other) == ("integer", "number"))


def _is_mapping(schema: Schema) -> bool:
    return bool(schema.get("additionalProperties")) and "properties" not in schema


def _kind(schema: Schema) -> tuple[Any, Any]:
    return schema.get("type"), schema.get("title")


def _is_within(key: str, written: Schema, read: Schema) -> bool:
    """Whether what a rule lets through when it is written, it lets through when it is read."""
    value, limit = written.get(key), read.get(key)
    if limit is None or limit == value:
        return True
    if key in _AT_LEAST or key in _AT_MOST:
        sign, other = 1 if key in _AT_LEAST else -1, written.get(_ALSO.get(key, ""))
        if other is not None and sign * other > sign * limit:
            return True
        if other is not None and other == limit and not key.startswith("exclusive"):
            return True
        return value is not None and sign * value >= sign * limit
    if key == "multipleOf":
        return value is not None and value % limit == 0
    return key == "uniqueItems" and not limit


def _said(key: str, value: Any) -> str:
    return f"no {key}" if value is None else f"{key} {value}"


def _told(schema: Schema, schemas: Schemas, depth: int = 3) -> str:
    """Say what a schema is of, in a word or two."""
    parts = _several(schema, schemas)
    if any(each.get("format") == "decimal" for each in parts):
        parts = [each for each in parts if each.get("type") != "number"]  # It is read as one.
    if len(parts) > 1:
        return " or ".join(dict.fromkeys(_told(each, schemas, depth) for each in parts))
    [schema] = parts
    kind = schema.get("type", "anything")
    if kind == "array" and depth and isinstance(schema.get("items"), dict):
        return f"a list of {_told(schema['items'], schemas, depth - 1)}"
    if SOURCE in schema:
        return str(schema["title"])
    if (values := _values(schema)) is not None:
        return " or ".join(json.dumps(each, ensure_ascii=False) for each in values)
    if isinstance(named := schema.get("additionalProperties"), dict) and depth:
        return f"a mapping to {_told(named, schemas, depth - 1)}"
    if kind == "object" and "title" in schema:
        return str(schema["title"])
    return str(schema.get("format", kind))
