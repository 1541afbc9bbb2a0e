"""JSON schemas of what crosses between two releases, as Pydantic writes them, and what those leave out.

In JSON, a decimal is a text like any other, and 2 may be a member of an enum that was called otherwise.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

Schema = dict[str, Any]
Mode = Literal["validation", "serialization"]
READS: Mode = "validation"
WRITES: Mode = "serialization"
MEMBERS = "x-members"
"""Where the schema of an enum tells what its values are called, unless they are texts."""
SOURCE = "x-source"
"""Where a schema tells which class it is of: `src/app/modules/billing/__init__.py:Account`."""
BYTES = "binary"
"""The format of what is no text, though JSON has it as one."""
_LIMITS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "max_digits": "x-max-digits",
    "decimal_places": "x-decimal-places",
}
DIGITS = {"x-max-digits", "x-decimal-places"}
REFERENCE = "#/components/schemas/"


class _Generate(GenerateJsonSchema):
    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def __init__(self, root: Path | None, is_lenient: bool, **options: Any) -> None:
        super().__init__(**options)
        self._root, self._is_lenient = root, is_lenient

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Schema:
        if self._is_lenient:
            return {"x-python": error_info}
        return super().handle_invalid_for_json_schema(schema, error_info)

    def dataclass_schema(self, schema: Any) -> Schema:
        return super().dataclass_schema(schema) | self._source(schema["cls"])

    def model_schema(self, schema: Any) -> Schema:
        return super().model_schema(schema) | self._source(schema["cls"])

    def typed_dict_schema(self, schema: Any) -> Schema:
        return super().typed_dict_schema(schema) | self._source(schema.get("cls"))

    def enum_schema(self, schema: Any) -> Schema:
        names: dict[str, list[str]] = {}
        for name, member in schema["cls"].__members__.items():  # Other names of one included.
            if not isinstance(member.value, str):
                names.setdefault(str(member.value), []).append(name)
        found = super().enum_schema(schema) | self._source(schema["cls"])
        return found | ({MEMBERS: names} if names else {})

    def decimal_schema(self, schema: Any) -> Schema:
        found = super().decimal_schema(schema)
        limits = {
            _LIMITS[name]: value if isinstance(value, int) else float(value)
            for name, value in schema.items()
            if name in _LIMITS and value is not None
        }
        for each in found.get("anyOf", [found]):
            if each["type"] == "string":
                each.update(format="decimal", **limits)
        return found

    def dict_schema(self, schema: Any) -> Schema:
        names = self.generate_inner(schema.get("keys_schema", {"type": "any"}))
        if "anyOf" in names:
            names = {"anyOf": [_in_quotes(each) for each in names["anyOf"]]}
        return super().dict_schema(schema) | {"propertyNames": _in_quotes(names)}

    def field_is_required(self, field: Any, total: bool) -> bool:
        """What has a default may be left out, and is written all the same."""
        is_optional = field["type"] == "typed-dict-field" or "serialization_exclude_if" in field
        if self.mode == WRITES and not is_optional:
            return True
        return super().field_is_required(field, total)

    def _source(self, kind: type | None) -> Schema:
        place = None if kind is None or self._root is None else place_of(kind, self._root)
        return {SOURCE: place} if place else {}


def _in_quotes(part: Schema) -> Schema:
    """Return what a number is before a colon: a text."""
    kind = part.get("type")
    is_number = kind in ("integer", "number")
    return {**part, "type": "string", "format": kind} if is_number else part


def place_of(thing: Any, root: Path) -> str | None:
    """Return where a class or function is defined, if that is below `root`."""
    name = getattr(thing, "__qualname__", type(thing).__qualname__)
    file = getattr(sys.modules.get(thing.__module__), "__file__", None)
    if file is None or not Path(file).is_relative_to(root):
        return None
    return f"{Path(file).relative_to(root).as_posix()}:{name}"


def describe(
    wanted: Sequence[tuple[str, Mode, TypeAdapter[Any]]],
    root: Path | None = None,
    *,
    is_lenient: bool = False,
) -> tuple[dict[tuple[str, Mode], Schema], dict[str, Schema]]:
    """Return a schema for each of these, by key and mode, and the schemas that they refer to.

    Raises PydanticInvalidForJsonSchema for a type of which only Python knows what it is, as one with a
    serializer of its own, or names it in its schema if that is lenient.
    """
    generator: Any = partial(_Generate, root, is_lenient)
    found, rest = TypeAdapter.json_schemas(
        wanted, by_alias=False, schema_generator=generator, ref_template=REFERENCE + "{model}"
    )
    return dict(found), rest.get("$defs", {})
