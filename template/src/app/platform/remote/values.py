"""Values on their way to another process: as JSON, so that they come back as they were."""

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, Literal, Union

from pydantic import PydanticUserError, TypeAdapter, WrapSerializer
from pydantic_core import CoreConfig, SchemaSerializer, SchemaValidator

from app.platform.remote.refusals import inside, refusals

_CONFIG: CoreConfig = {
    "ser_json_bytes": "base64",
    "val_json_bytes": "base64",
    "ser_json_inf_nan": "constants",
    "allow_inf_nan": True,
}
"""Pydantic's own way of writing these loses some."""
_WITH_CONFIG = ("dataclass", "named-tuple", "typed-dict")
_NAMED = re.compile(r"schema for (.+?)\. ")


class ValueRefusedError(Exception):
    """A type whose values do not cross. The message says why, and what to do."""


class Values:
    """Writes and reads the values of one type."""

    def __init__(self, hint: Any) -> None:
        """Raises ValueRefusedError."""
        self.hint = _listed(hint)
        try:
            schema = TypeAdapter(self.hint).core_schema
        except PydanticUserError as error:
            found = _NAMED.search(error.message)
            what = found[1] if found else "it"
            raise ValueRefusedError(f"{what} has no schema: pass a dataclass, or an id") from None
        if why := next(refusals(schema), None):
            raise ValueRefusedError(why)
        schema = _configured(schema)
        self._serializer = SchemaSerializer(schema, _CONFIG)
        self._validator = SchemaValidator(schema, _CONFIG)

    def write(self, value: object) -> bytes:
        """Return a value as JSON. Raises PydanticSerializationError."""
        return self._serializer.to_json(
            value, by_alias=False, exclude_computed_fields=True, warnings=False
        )

    def read(self, written: bytes, extra: Literal["forbid", "ignore"]) -> Any:
        """Return a value from JSON; fields that it should not have are refused or left out.

        Raises pydantic.ValidationError.
        """
        return self._validator.validate_json(
            written, strict=True, extra=extra, by_alias=False, by_name=True
        )


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


def _configured(part: Any) -> Any:
    """Return a schema that writes everything so that it can be read."""
    if isinstance(part, list | tuple):
        return type(part)(_configured(each) for each in part)
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    if not isinstance(kind, str):  # Fields by their names, or choices by their tags.
        return {name: _configured(each) for name, each in part.items()}
    part = {**part, **{name: _configured(each) for name, each in inside(part)}}
    if kind in _WITH_CONFIG:
        part["config"] = {**part.get("config", {}), **_CONFIG}
    elif kind == "decimal":  # Where digits are bounded, Pydantic takes no infinity at all.
        part["allow_inf_nan"] = part.keys().isdisjoint(("max_digits", "decimal_places"))
    elif kind == "dataclass-field" and part.get("init") is False:
        part["serialization_exclude"] = True  # It is made again on the other side.
    return part
