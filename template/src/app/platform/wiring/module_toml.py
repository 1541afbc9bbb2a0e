"""What a module's `module.toml` says: data, read without importing the module."""

import pkgutil
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

_ABOVE_TABLES = {"owner", "depends_on", "extensions"}


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


def read_modules(package: ModuleType) -> list[ModuleToml]:
    """Read the file of every module in a package. Raises WiringError."""
    folder = Path(next(iter(package.__path__)))
    names = [info.name for info in pkgutil.iter_modules(package.__path__) if info.ispkg]
    return [_read(name, folder / name) for name in names]


def _read(name: str, path: Path) -> ModuleToml:
    try:
        metadata = tomllib.loads((path / "module.toml").read_text("utf-8"))
        slo = metadata.get("slo", {})
        if isinstance(slo, dict) and (misplaced := slo.keys() & _ABOVE_TABLES):
            raise WiringError(
                f"{name}/module.toml: {', '.join(sorted(misplaced))} must stand above [slo], since "
                "everything below that line is part of it."
            )
        if unknown := metadata.keys() - _ABOVE_TABLES - {"slo"}:
            raise WiringError(
                f"{name}/module.toml has {', '.join(sorted(unknown))}, but may only have owner, "
                "depends_on, extensions and [slo]."
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
    return ModuleToml(name, path, owner, depends_on, extensions, slo)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z0-9_-]+", value) is not None
