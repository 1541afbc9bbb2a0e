"""Which values cross from one process to another, and how they are written as JSON."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from types import UnionType
from typing import Annotated, Any, cast, get_args, get_origin, Literal, Union

from pydantic import PydanticUserError, TypeAdapter, WrapSerializer
from pydantic_core import CoreConfig, CoreSchema, SchemaSerializer, SchemaValidator

Schema = Mapping[str, Any]

_CONFIG: CoreConfig = {
    "ser_json_bytes": "base64",
    "val_json_bytes": "base64",
    "ser_json_inf_nan": "constants",
    "allow_inf_nan": True,
}
"""Pydantic's own way of writing these loses some."""
_WITH_CONFIG = ("dataclass", "named-tuple", "typed-dict")
_NO_VALUES = {
    "any": "it may be anything: say what it is",
    "callable": "it is a function: pass a value that says which one",
    "is-subclass": "it is a class: pass a value that says which one",
    "is-instance": "it has no schema: pass a dataclass, or an id",
    "generator": "it is read later: pass a Sequence",
}
_TEXTS = frozenset(
    ("bytes", "date", "datetime", "decimal", "fraction", "str", "time", "timedelta", "url", "uuid")
)
"""What JSON writes as a text."""
_KEYS = frozenset({*_TEXTS, "bool", "float", "int"})
"""What JSON can write before a colon, and Pydantic reads back."""


class ValueRefusedError(Exception):
    """A type whose values do not cross. The message says why, and what to do."""


class Values:
    """Writes and reads the values of one type."""

    def __init__(self, hint: Any) -> None:
        """Raises ValueRefusedError."""
        try:
            schema = TypeAdapter(_listed(hint)).core_schema
        except PydanticUserError as error:
            raise ValueRefusedError(f"it has no schema: {error.message.splitlines()[0]}") from None
        if why := next(_refusals(schema), None):
            raise ValueRefusedError(why)
        schema = _configured(schema)
        self._serializer = SchemaSerializer(schema, _CONFIG)
        self._validator = SchemaValidator(schema, _CONFIG)

    def write(self, value: object) -> bytes:
        """Return a value as JSON. Raises PydanticSerializationError."""
        return self._serializer.to_json(value, warnings=False)

    def read(self, written: bytes, extra: Literal["forbid", "ignore"]) -> Any:
        """Return a value from JSON; fields that it should not have are refused or left out.

        Raises pydantic.ValidationError.
        """
        return self._validator.validate_json(written, strict=True, extra=extra)


def _listed(hint: Any) -> Any:
    """Return the type with lists in place of what may be any container: Pydantic has no such."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Iterable, Collection):
        return Annotated[list[_listed(parts[0])], WrapSerializer(_write_list)]  # type: ignore[misc]
    if origin in (Union, UnionType):
        return Union[tuple(_listed(each) for each in parts)]  # noqa: UP007
    if origin in (list, set, frozenset, dict, tuple, deque, Sequence, Mapping):
        return origin[tuple(each if each is ... else _listed(each) for each in parts)]
    return hint


def _write_list(value: Iterable[Any], write: Callable[[list[Any]], Any]) -> Any:
    return write(list(value))


def _refusals(part: Any, holder: str = "") -> Iterator[str]:
    """Yield why a part of a schema does not cross. `holder` is Pydantic's own class around it."""
    if isinstance(part, list | tuple):
        for each in part:
            yield from _refusals(each, holder)
        return
    if not isinstance(part, dict):
        return
    kind = part.get("type")
    if kind in ("lax-or-strict", "json-or-python"):  # The second way is for values of Python.
        yield from _refusals(part.get("json_schema") or _of_json(part["strict_schema"]), holder)
        return
    if why := _why(part, str(kind), holder):
        yield why
        return
    cls: Any = part.get("cls")
    if kind == "model" or (kind == "dataclass" and "__pydantic_validator__" in vars(cls)):
        holder = cls.__name__ if "ser_json_bytes" not in part.get("config", {}) else ""
    for name, each in part.items():
        if name not in ("metadata", "serialization", "config", "default"):
            yield from _refusals(each, holder)


def _of_json(schema: Schema) -> Schema:
    return schema.get("json_schema", schema) if schema.get("type") == "json-or-python" else schema


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
    if kind == "dict" and not all(map(_is_key, _choices(part.get("keys_schema", {"type": "any"})))):
        return "JSON has no such keys: pass a Sequence of pairs"
    if kind == "union":
        return _why_not_union(
            [_choices(each[0] if isinstance(each, tuple) else each) for each in part["choices"]]
        )
    return None


def _why_not_enum(cls: type[Enum]) -> str | None:
    if all(isinstance(each.value, str | int | float | None) for each in cls):
        return None
    return f"{cls.__name__} has members whose values are neither texts nor numbers: give them texts"


def _why_not_union(choices: Sequence[Sequence[Schema]]) -> str | None:
    """Two kinds of text look alike, and so do two containers; what else there is JSON tells apart."""
    kinds = [str(each.get("type")) for several in choices for each in several]
    texts = [kind for kind in kinds if kind in _TEXTS]
    enums = kinds.count("enum")
    is_text_alone = len(texts) + enums <= 1
    lists = [
        kind
        for kind in kinds
        if kind in ("list", "set", "frozenset", "tuple", "deque", "named-tuple")
    ]
    if not is_text_alone:
        return (
            "two of its choices are texts in JSON and look alike: say which by a class around each"
        )
    if len(lists) > 1:
        return (
            "two of its choices are lists in JSON and look alike: say which by a class around each"
        )
    return None


def _choices(schema: Schema) -> list[Schema]:
    """Return what a value may be, without what stands around it."""
    kind = schema.get("type")
    if kind in ("nullable", "default", "function-after", "function-before", "function-wrap"):
        return _choices(schema["schema"])
    if kind == "json-or-python":
        return _choices(schema["json_schema"])
    return [schema]


def _is_key(schema: Schema) -> bool:
    kind = schema.get("type")
    if kind == "enum":
        return all(isinstance(each.value, str) for each in schema["cls"])
    if kind == "literal":
        return all(isinstance(each, str) for each in schema["expected"])
    return kind in _KEYS


def _configured(part: Any) -> CoreSchema:
    """Return a schema that writes everything so that it can be read."""
    if isinstance(part, list):
        return [_configured(each) for each in part]  # type: ignore[return-value]
    if isinstance(part, tuple):
        return tuple(_configured(each) for each in part)  # type: ignore[return-value]
    if not isinstance(part, dict):
        return cast(CoreSchema, part)
    part = {k: each if k == "metadata" else _configured(each) for k, each in part.items()}
    if part.get("type") in _WITH_CONFIG:
        part["config"] = {**part.get("config", {}), **_CONFIG}
    if part.get("type") == "decimal":
        part["allow_inf_nan"] = True
    if part.get("type") == "dataclass-field" and part.get("init") is False:
        part["serialization_exclude"] = True  # It is made again on the other side.
    return cast(CoreSchema, part)
