"""The contracts of the modules that Python finds as `app`: each one an OpenAPI document.

`python -m checks.contracts.document FOLDER FILE` writes those of the code in FOLDER to FILE. It is run
with this branch's libraries on other commits, too: of `app` it uses what has long been there.
"""

import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass, make_dataclass
from inspect import Parameter, signature
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from pydantic import PydanticUserError, TypeAdapter

from app import modules
from app.platform import wiring
from app.platform.database import Tx
from app.platform.errors import DomainError, status_of
from app.platform.jobs import Event, Job, name_of, parameters_of
from app.platform.rest import NAME, problems, SCHEMA
from app.platform.wiring import ModuleFolder
from checks.contracts.schemas import describe, Mode, place_of, READS, Schema, SOURCE, WRITES

_ANY_NUMBER = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def documents(root: Path) -> dict[str, Schema]:
    """Return the contract of each module, by name; one that was removed on purpose is only named."""
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    found = {
        folder.name: _Contract(folder, root).document(version)
        for folder in wiring.discover(modules)
    }
    moves = wiring.moves_of(modules) if hasattr(wiring, "moves_of") else []
    removed = {move.name for move in moves if move.kind == "remove"} - found.keys()
    return found | {name: {"x-is-removed": True} for name in removed}


@dataclass
class _Contract:
    """One module's, as it is put together."""

    folder: ModuleFolder
    root: Path
    wanted: list[tuple[str, Mode, TypeAdapter[Any]]] = field(default_factory=list)

    def document(self, version: str) -> Schema:
        """Return the whole."""
        folder, package = self.folder, sys.modules[self.folder.package]
        said = tomllib.loads((folder.path / "module.toml").read_text("utf-8"))
        errors = {
            name: each
            for name, each in vars(package).items()
            if isinstance(each, type) and issubclass(each, DomainError)
        }
        local: dict[str, str] = {}
        operations = {}
        for promise in wiring.promises_of(folder.interface):
            why = self._why_local(promise)
            if why is None:
                operations[promise.name] = self._operation(promise, errors)
            else:
                local[promise.name] = why
        events = {
            name: self._queued(name, event, event.__doc__)
            for name, event in _classes(package, Event)
            if is_dataclass(event)
        }
        jobs = dict(self._jobs())
        found, schemas = describe(self.wanted, self.root, is_lenient=True)
        filled: Schema = _filled({"paths": operations, "x-events": events, "x-jobs": jobs}, found)
        prefix = f"/_modules/{folder.name}/"
        return {
            "openapi": "3.1.0",
            "info": {
                "title": folder.name,
                "version": version,
                "description": package.__doc__ or "",
            },
            "paths": {prefix + name: {"post": each} for name, each in filled["paths"].items()},
            "components": {"schemas": {NAME: SCHEMA, **schemas}},
            "x-errors": {name: self._error(e) for name, e in _classes(package, DomainError)},
            "x-events": filled["x-events"],
            "x-jobs": filled["x-jobs"],
            "x-local": local,
            "x-service": said.get("service", {}).get("because"),
            "x-retired": said.get("contract", {}).get("retired", []),
            "x-former": getattr(folder, "former", None),
            SOURCE: self._place(folder.interface),
        }

    def _why_local(self, promise: Any) -> str | None:
        """Return why a method cannot be called from another process; None where it can."""
        if promise.joins:
            return "takes the transaction of its caller"
        if promise.streams:
            return "returns a stream"
        if not promise.is_async:
            return "is no `async def`"
        hints = get_type_hints(promise.function, include_extras=True)
        for parameter in list(signature(promise.function).parameters.values())[1:]:
            if parameter.kind in _ANY_NUMBER:
                return f"takes any number of arguments as {parameter.name}"
            if why := _why_no_schema(hints.get(parameter.name), READS):
                return f"takes {parameter.name}, {why}"
        why = _why_no_schema(hints.get("return"), WRITES) if "return" in hints else "without a type"
        return f"returns what cannot be written, {why}" if why else None

    def _operation(self, promise: Any, errors: Mapping[str, type[Any]]) -> Schema:
        hints = get_type_hints(promise.function, include_extras=True)
        parameters = list(signature(promise.function).parameters.values())[1:]
        title = "".join(word.title() for word in promise.name.split("_")) + "Arguments"
        fields = [_field(each, hints[each.name]) for each in parameters]
        arguments = make_dataclass(title, fields, kw_only=True)
        said = promise.function.__doc__ or ""
        refused = [errors[name] for name in sorted(errors.keys() & set(re.findall(r"\w+", said)))]
        answer = self._want(promise.name + " result", hints["return"], WRITES)
        body = self._want(promise.name, arguments, READS)
        return {
            "operationId": promise.name,
            "summary": _first_line(said),
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": {
                "200": {
                    "description": "Its result.",
                    "content": {"application/json": {"schema": answer}},
                },
                **{str(status): each for status, each in problems(*refused).items()},
            },
            SOURCE: self._place(self.folder.interface) + f".{promise.name}",
        }

    def _jobs(self) -> Iterator[tuple[str, Schema]]:
        """Yield what waits in the queue for this module: jobs, and one for each subscription."""
        declared = self.folder.declaration
        own: list[tuple[None, Job[Any]]] = [(None, job) for job in declared.jobs]
        for event, handler in (*own, *declared.subscriptions.items()):
            function: Callable[..., Any] = handler.function if isinstance(handler, Job) else handler
            kinds = list(parameters_of(function).values())
            arguments = kinds[1] if kinds[0] is Tx else kinds[0]
            name = name_of(function)
            yield (
                name,
                {
                    **self._queued(f"{name}()", arguments, function.__doc__),
                    "event": event.__name__ if event else None,
                    SOURCE: self._place(function),
                },
            )

    def _queued(self, key: str, kind: type, said: str | None) -> Schema:
        try:
            TypeAdapter(kind)
        except PydanticUserError as error:
            raise SystemExit(
                f"{self.folder.name}: {kind.__name__} cannot be written as JSON, in which it waits in the "
                f"queue: {error.message.splitlines()[0]}"
            ) from None
        return {
            "summary": "" if (said or "").startswith(f"{kind.__name__}(") else _first_line(said),
            "reads": self._want(key, kind, READS),
            "writes": self._want(key, kind, WRITES),
            SOURCE: self._place(kind),
        }

    def _error(self, error: type[DomainError]) -> Schema:
        bases = [each.__name__ for each in error.__mro__[1:] if issubclass(each, DomainError)]
        return {"status": status_of(error), "bases": bases, SOURCE: self._place(error)}

    def _want(self, key: str, kind: Any, mode: Mode) -> Schema:
        """Ask for a schema; `_filled` puts it in."""
        self.wanted.append((key, mode, TypeAdapter(kind)))
        return {"wanted": (key, mode)}

    def _place(self, thing: Any) -> str:
        return (
            place_of(thing, self.root) or f"{self.folder.path.relative_to(self.root)}/module.toml:"
        )


def _filled(node: Any, found: Mapping[Any, Schema]) -> Any:
    if not isinstance(node, dict):
        return node
    if "wanted" in node:
        return found[node["wanted"]]
    return {key: _filled(each, found) for key, each in node.items()}


def _classes(package: ModuleType, base: type) -> Iterator[tuple[str, type[Any]]]:
    """Yield the classes of a kind that a package defines itself, by name."""
    for name, each in sorted(vars(package).items()):
        if (
            isinstance(each, type)
            and issubclass(each, base)
            and f"{each.__module__}.".startswith(f"{package.__name__}.")
        ):
            yield name, each


def _field(parameter: Parameter, hint: Any) -> Any:
    if parameter.default is parameter.empty:
        return parameter.name, hint
    default: Any = parameter.default
    if type(default).__hash__ is None:  # Dataclasses take no list.
        return parameter.name, hint, field(default_factory=lambda: default)
    return parameter.name, hint, field(default=default)  # Of a factory, the schema tells nothing.


def _why_no_schema(hint: Any, mode: Mode) -> str | None:
    if hint is None:
        return "without a type"
    try:
        describe([("", mode, TypeAdapter(hint))])
    except Exception as error:  # Whatever a team's own type raises.
        return f"which has no schema ({str(error).splitlines()[0]})"
    return None


def _first_line(said: str | None) -> str:
    return (said or "").strip().partition("\n")[0]


if __name__ == "__main__":
    written = json.dumps(documents(Path(sys.argv[1])), sort_keys=True, ensure_ascii=False)
    Path(sys.argv[2]).write_text(written, "utf-8")
