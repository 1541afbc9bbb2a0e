"""What every module stands on. It knows no module."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazily(package: str, files: Mapping[str, tuple[str, ...]]) -> Callable[[str], object]:
    """Return a `__getattr__` for a face: it imports a file when one of its names is first used.

    For what is slow to import, and which most processes never use.
    """
    origins = {name: file for file, names in files.items() for name in names}

    def import_name(name: str) -> object:
        if name not in origins:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(import_module(f"{package}.{origins[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return import_name
