"""Errors that a module's interface declares, on their way to a caller in another process."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any
from uuid import UUID

from app.platform import errors, rest
from app.platform.errors import DomainError
from app.platform.wiring import ModuleFolder

_PLAIN = (str, int, float, bool, type(None))
_TEXTS: Mapping[type, tuple[str, Callable[[str], object]]] = {
    date: ("=date", date.fromisoformat),
    datetime: ("=datetime", datetime.fromisoformat),
    Decimal: ("=decimal", Decimal),
    UUID: ("=uuid", UUID),
}
"""What is a text in JSON, beside its kind: `{"=uuid": "…"}`."""
_KINDS = dict(_TEXTS.values())


class _NotPlainError(Exception):
    """A value that nobody can read without the class that it is of."""


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
        with suppress(_NotPlainError):
            told["arguments"] = _written(list(error.args))
        told["attributes"] = attributes = {}
        for name, value in vars(error).items():
            with suppress(_NotPlainError):
                attributes[name] = _written(value)
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
        arguments, attributes = _read(told.get("arguments")), _read(told.get("attributes"))
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


def _written(value: object) -> object:
    """Return what JSON has for a value. Raises _NotPlainError."""
    if type(value) in _TEXTS:
        return {_TEXTS[type(value)][0]: str(value)}
    if isinstance(value, dict) and all(
        isinstance(each, str) and not each.startswith("=") for each in value
    ):
        return {name: _written(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_written(each) for each in value]
    if type(value) not in _PLAIN:
        raise _NotPlainError
    return value


def _read(written: Any) -> Any:
    if isinstance(written, list):
        return [_read(each) for each in written]
    if not isinstance(written, dict):
        return written
    for kind, text in written.items():
        if kind in _KINDS:
            with suppress(ValueError, ArithmeticError, TypeError):
                return _KINDS[kind](text)
    return {name: _read(each) for name, each in written.items()}
