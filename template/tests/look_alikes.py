"""What of a job's arguments could be taken for something else once it is read from JSON."""

import json
from collections.abc import Iterator, Mapping
from itertools import combinations, zip_longest
from typing import Any

from pydantic import TypeAdapter

from app.platform.jobs import BoundJob
from app.platform.jobs.shapes import Described, MEMBERS, several

Schema = Mapping[str, Any]

_DEEPEST = 20
"""How far parts are followed that may contain themselves."""


def find_look_alikes(job: BoundJob) -> Iterator[str]:
    """Say what to do about a union in a job's arguments, two of which look alike."""
    if (alike := look_alikes(job.adapter)) is not None:
        where, one, other = alike
        yield (
            f"{job.name}: in `{where or 'its arguments'}`, {one} and {other} look alike as JSON, in which "
            "they wait in the queue: make them dataclasses that each have a field of their own, as "
            '`kind: Literal[...]`, and say `Annotated[..., Field(discriminator="kind")]` of the union.'
        )


def look_alikes(adapter: TypeAdapter[Any]) -> tuple[str, str, str] | None:
    """Return where a union stands two of which could be taken for each other in JSON, and those two."""
    described = Described(adapter)
    for where, part in described.parts():
        for one, other in combinations(map(described.resolved, part.get("anyOf", ())), 2):
            # A literal is the same for all who read it, and so is whatever an `object` is.
            is_harmless = any(
                not each or (MEMBERS not in each and ("enum" in each or "const" in each))
                for each in (one, other)
            )
            if not is_harmless and _can_meet(described, one, other):
                return where.lstrip("."), _named(one), _named(other)
    return None


def _can_meet(whole: Described, one: Schema, other: Schema, depth: int = _DEEPEST) -> bool:
    """Say whether what is written as the one could be read as the other."""
    one, other = whole.resolved(one), whole.resolved(other)
    if severals := several(one):
        return any(_can_meet(whole, each, other, depth) for each in severals)
    if several(other):
        return _can_meet(whole, other, one, depth)
    kind = one.get("type")
    if not depth or None in (kind, other.get("type")):
        return True
    if kind != other["type"]:
        return False
    if kind == "object":
        return _objects_can_meet(whole, one, other, depth - 1)
    if kind == "array":
        return _arrays_can_meet(whole, one, other, depth - 1)
    if values := [set(map(_text, given)) for each in (one, other) if (given := _values(each))]:
        return bool(set.intersection(*values))
    forms = {each.get("format") or each.get("pattern") for each in (one, other)}
    return len(forms) == 1 or None in forms


def _objects_can_meet(whole: Described, one: Schema, other: Schema, depth: int) -> bool:
    fields, others = one.get("properties"), other.get("properties")
    if fields is not None and others is not None:
        # Whatever is written has all fields, and is read where there is none too many.
        return (
            (fields.keys() <= others.keys() and fields.keys() >= {*other.get("required", ())})
            or (others.keys() <= fields.keys() and others.keys() >= {*one.get("required", ())})
        ) and all(
            _can_meet(whole, fields[name], others[name], depth)
            for name in fields.keys() & others.keys()
        )
    values = one.get("additionalProperties", {}), other.get("additionalProperties", {})
    if fields is None and others is None:
        return _can_meet(whole, *values, depth)
    value = values[fields is not None]  # Of the one without fields.
    each_field = (fields or others or {}).values()
    return all(_can_meet(whole, each, value, depth) for each in each_field)


def _arrays_can_meet(whole: Described, one: Schema, other: Schema, depth: int) -> bool:
    first, second = one.get("prefixItems", ()), other.get("prefixItems", ())
    if first and second and len(first) != len(second):
        return False
    places = zip_longest(first, second) if first or second else [(None, None)]
    return all(
        _can_meet(whole, a or one.get("items", {}), b or other.get("items", {}), depth)
        for a, b in places
    )


def _values(part: Schema) -> list[object]:
    return [*part.get("enum", ()), *([part["const"]] if "const" in part else ())]


def _named(part: Schema) -> str:
    return str(part.get("title") or part.get("format") or part.get("type"))


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)
