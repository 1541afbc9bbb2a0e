"""Errors that a module's interface declares, on their way to a caller in another process."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from app.platform import errors, rest
from app.platform.errors import DomainError
from app.platform.wiring import ModuleFolder

_PLAIN = (str, int, float, bool, type(None))


class Failures:
    """Knows the errors of the modules by names such as `billing.ChargeDeclined`."""

    def __init__(self, folders: Sequence[ModuleFolder]) -> None:
        self._kinds: dict[str, type[DomainError]] = {}
        self._names: dict[type[BaseException], list[str]] = {}
        for room in (errors, rest):
            self._add("platform", room.__name__)
        for folder in folders:
            self._add(folder.name, folder.package)
            if folder.former is not None:  # As the release before the renaming calls them.
                self._add(folder.former, folder.package)

    def _add(self, module: str, package: str) -> None:
        for kind in _errors_in(package):
            name = f"{module}.{kind.__qualname__}"
            self._kinds[name] = kind
            self._names.setdefault(kind, []).append(name)

    def write(self, error: DomainError) -> dict[str, object]:
        """Return what tells of an error: its names, those of what it is a kind of behind its own, and
        what it holds, as far as that is plain."""
        names = [name for kind in type(error).__mro__ for name in self._names.get(kind, ())]
        told: dict[str, object] = {"errors": names, "detail": str(error)}
        if all(type(each) in _PLAIN for each in error.args):
            told["arguments"] = list(error.args)
        told["attributes"] = {
            name: value for name, value in vars(error).items() if _is_plain(value)
        }
        return told

    def read(self, told: Mapping[str, Any]) -> DomainError | None:
        """Return the error that was told of; the nearest that is known here, or None."""
        names = told.get("errors")
        if not isinstance(names, list):
            return None
        kind = next((self._kinds[each] for each in names if each in self._kinds), None)
        if kind is None:
            return None
        said = str(told.get("detail", ""))
        arguments, attributes = told.get("arguments"), told.get("attributes")
        error = kind.__new__(kind)  # Its constructor may take anything.
        error.args = tuple(arguments) if isinstance(arguments, list) else (said,)
        if isinstance(attributes, dict):
            vars(error).update(attributes)
        return error


def _errors_in(package: str) -> Iterator[type[DomainError]]:
    for value in vars(import_module(package)).values():
        if (
            inspect.isclass(value)
            and issubclass(value, DomainError)
            and f"{value.__module__}.".startswith(f"{package}.")  # Or in a file of it.
        ):
            yield value


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_plain(each) for name, each in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return type(value) in _PLAIN
