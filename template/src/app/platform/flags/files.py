"""`flags.json`, in which a module keeps its flags, in the format of flagd.

    {
      "flags": {
        "new_checkout": {
          "state": "ENABLED",
          "variants": {"on": true, "off": false},
          "defaultVariant": "off",
          "targeting": {"fractional": [["on", 10], ["off", 90]]},
          "metadata": {"description": "One page instead of four.", "expires": "2027-03-31"}
        }
      }
    }

`targeting` is JsonLogic, as https://flagd.dev/reference/flag-definitions/ describes it. A rule is off for
whoever it lacks an attribute of, unless the `var` has a default: `{"var": ["age", 0]}`; the same holds of
items. In `sem_ver`, neither `^` (the same major version) nor `~` (and minor) is a lower bound: add a `>=`.
The file names no module: each flag is known to others as `<module>.<flag>`.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from app.platform.flags.operators import attributes_of, FEWEST, OPERATIONS, with_items_checked

logger = logging.getLogger("app.flags")

FILE = "flags.json"

_Name = Annotated[str, Field(pattern="^[a-z][a-z0-9]*(_[a-z0-9]+)*$")]

_DEEPEST = 50
"""Levels of a rule, each of which takes the evaluator several calls."""


class FlagsError(Exception):
    """A file of flags is not as it must be. The message names the file, the place and the remedy."""


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    if rule:
        _check_rule(rule, _DEEPEST)
        attributes_of(rule)
        with_items_checked(rule)
    return rule


def _check_rule(rule: object, levels: int) -> None:
    if not levels:
        raise ValueError(f"is nested more than {_DEEPEST} levels deep")
    if isinstance(rule, dict):
        if len(rule) != 1:
            raise ValueError(f"has {len(rule)} operations where one is expected: {_listed(rule)}")
        if unknown := rule.keys() - OPERATIONS:
            raise ValueError(f"has an operation that does not exist, {unknown.pop()!r}")
        [(operation, parts)] = rule.items()
        number = len(parts) if isinstance(parts, list) else 1
        if number < (fewest := FEWEST.get(operation, 0)):
            raise ValueError(f"needs {fewest} parts for {operation!r}, and gives it {number}")
    for part in rule.values() if isinstance(rule, dict) else rule if isinstance(rule, list) else ():
        _check_rule(part, levels - 1)


class _Metadata(BaseModel):
    """Anything else may stand there as well."""

    description: str = Field(min_length=1)
    expires: date
    owner: str | None = None


class _Definition(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: Literal["ENABLED", "DISABLED"]
    variants: dict[str, bool]
    defaultVariant: str
    targeting: Annotated[dict[str, Any], AfterValidator(_rule)] = {}
    metadata: _Metadata


class _Top(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_url: str = Field(default="", alias="$schema")


class _File(_Top):
    flags: dict[_Name, _Definition]


class _Overrides(_Top):
    flags: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Flag:
    key: str
    """`ordering.new_checkout`"""
    owner: str
    """Who decides about it: its own, or else that of the module."""
    expires: date
    """The last day on which it should still be there."""
    description: str
    definition: Mapping[str, Any]
    """As flagd wants it."""
    needs: frozenset[str]
    """What must be said of those it is asked for; see `attributes_of`."""

    @property
    def state(self) -> Literal["on", "off", "targeted"]:
        """What it is, for everybody or depending on whom it is asked for."""
        if self.definition["state"] == "DISABLED":
            return "off"
        if self.definition.get("targeting"):
            return "targeted"
        return "on" if self.definition["variants"][self.definition["defaultVariant"]] else "off"


def read_flags(folder: Path, owner: str) -> list[Flag]:
    """Read the flags of a module, from its folder. Without a file it has none. Raises FlagsError."""
    path = folder / FILE
    if not path.exists():
        return []
    definitions = _flags_in(path, _File, f"{folder.name}/{FILE}")
    return [_flag(f"{folder.name}.{name}", owner, each) for name, each in definitions.items()]


def read_overrides(
    path: Path, flags: Mapping[str, Flag], former: Mapping[str, str]
) -> dict[str, Flag]:
    """Return the flags as a file changes them: what it says of one replaces what its module says.

    So `{"flags": {"ordering.new_checkout": {"state": "DISABLED"}}}` puts one out of action.
    What it says under the `former` name of a module counts, unless it says the same flag's new name.
    What it says of flags that no module has is logged. Raises FlagsError.
    """
    overrides = _flags_in(path, _Overrides, str(path))
    for key in list(overrides):
        module, _, name = key.partition(".")
        if module in former:
            overrides.setdefault(f"{former[module]}.{name}", overrides.pop(key))
    if unknown := sorted(overrides.keys() - flags.keys()):
        logger.warning("%s speaks of flags that no module has: %s", path, ", ".join(unknown))
    changed = dict(flags)
    for key in overrides.keys() & flags.keys():
        flag = flags[key]
        definition = {**flag.definition, **overrides[key]}
        _validate(_Definition, definition, f"{path}: {key}")
        changed[key] = _flag(key, flag.owner, definition)
    return changed


def _flag(key: str, owner: str, definition: Mapping[str, Any]) -> Flag:
    default, variants = definition["defaultVariant"], definition["variants"]
    if default not in variants:
        raise FlagsError(
            f"{key}: the defaultVariant {default!r} is not one of its variants, {_listed(variants)}."
        )
    metadata = _Metadata.model_validate(definition["metadata"])
    is_enabled = definition["state"] == "ENABLED"
    needs = attributes_of(definition.get("targeting", {}) if is_enabled else {})
    owner = metadata.owner or owner
    return Flag(key, owner, metadata.expires, metadata.description, definition, needs)


def _flags_in(path: Path, form: type[_File | _Overrides], where: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except RecursionError:
        raise FlagsError(f"{where} cannot be read as JSON: it is nested too deep.") from None
    except (OSError, ValueError) as error:
        raise FlagsError(f"{where} cannot be read as JSON: {error}.") from None
    _validate(form, content, where)
    return dict(content["flags"])


def _validate(form: type[BaseModel], content: object, where: str) -> None:
    try:
        form.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = " → ".join(str(part) for part in first["loc"] if part != "[key]")
        said = first["msg"].removeprefix("Value error, ")
        raise FlagsError(f"{where}: {place or 'the file'}: {said}.") from None


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(names) or "of which there are none"
