"""What a module's `module.toml` says: data, read without importing the module."""

import pkgutil
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

_ABOVE_TABLES = {"owner", "depends_on", "extensions"}
_TABLES = {"slo": None, "service": {"because"}, "contract": {"retired"}}
"""And what each may say; of [slo], `read_objectives` knows."""
_REASONS = ("scaling", "isolation", "technology", "partner")


class WiringError(Exception):
    """The modules do not fit together. The message names the module, the file and the remedy."""


@dataclass(frozen=True, slots=True)
class ModuleToml:
    """The file, as it stands."""

    name: str
    path: Path
    """Of the module's folder."""
    owner: str
    depends_on: Sequence[str]
    extensions: Sequence[str]
    slo: object
    service: str | None = None
    """Why it is run as a service of its own; None for a module that never is."""
    retired: Sequence[str] = ()
    """Methods, events, jobs and errors that are to be deleted in a later release."""


def read_modules(package: ModuleType) -> list[ModuleToml]:
    """Read the file of every module in a package. Raises WiringError."""
    folder = Path(next(iter(package.__path__)))
    names = [info.name for info in pkgutil.iter_modules(package.__path__) if info.ispkg]
    return [_read(name, folder / name) for name in names]


def _read(name: str, path: Path) -> ModuleToml:
    try:
        metadata = tomllib.loads((path / "module.toml").read_text("utf-8"))
        for table, keys in _TABLES.items():
            _check_table(name, table, metadata.get(table, {}), keys)
        if unknown := metadata.keys() - _ABOVE_TABLES - _TABLES.keys():
            raise WiringError(
                f"{name}/module.toml has {', '.join(sorted(unknown))}, but may only have owner, "
                "depends_on, extensions, [slo], [service] and [contract]."
            )
        owner, depends_on = metadata["owner"], metadata["depends_on"]
        if not isinstance(depends_on, list):
            raise ValueError("depends_on is no list")
        extensions = metadata.get("extensions", [])
        if not (isinstance(extensions, list) and all(map(_is_name, extensions))):
            raise ValueError('extensions is no list of names in lower case, as in ["citext"]')
    except tomllib.TOMLDecodeError as error:
        raise WiringError(f"{name}/module.toml is no TOML: {error}.") from None
    except (OSError, KeyError, ValueError) as error:
        raise WiringError(
            f'{name}/module.toml must say `owner = "@organisation/team"` and `depends_on = []` '
            f"({type(error).__name__}: {error})."
        ) from None
    service = _service(name, metadata["service"]) if "service" in metadata else None
    retired = metadata.get("contract", {}).get("retired", ())
    if not (isinstance(retired, list | tuple) and all(isinstance(each, str) for each in retired)):
        raise WiringError(
            f'{name}/module.toml: retired is no list of names, as in ["refund", "OrderCharged"].'
        )
    slo = metadata.get("slo", {})
    return ModuleToml(name, path, owner, depends_on, extensions, slo, service, retired)


def _check_table(name: str, table: str, said: object, keys: set[str] | None) -> None:
    """Raise WiringError for what does not belong there."""
    if not isinstance(said, dict):
        if keys is not None:
            raise WiringError(f"{name}/module.toml: {table} is no table. Write [{table}].")
        return
    if misplaced := said.keys() & _ABOVE_TABLES:
        raise WiringError(
            f"{name}/module.toml: {', '.join(sorted(misplaced))} must stand above [{table}], since "
            "everything below that line is part of it."
        )
    if keys is not None and (unknown := said.keys() - keys):
        raise WiringError(
            f"{name}/module.toml: [{table}] has {', '.join(sorted(unknown))}, but may only have "
            f"{', '.join(sorted(keys))}."
        )


def _service(name: str, said: Mapping[str, object]) -> str:
    because = said.get("because")
    if because not in _REASONS:
        raise WiringError(
            f"{name}/module.toml: [service] must say `because`: {', '.join(_REASONS)}."
        )
    return str(because)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z0-9_-]+", value) is not None
