"""What a module offers to others, and what it does with a transaction that it is given."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scaffold import repository
from scaffold.carving.sources import Function, Source, Sources, arguments, methods
from scaffold.contents import Place
from scaffold.errors import ScaffoldError

_WRITES = frozenset({"add", "add_all", "delete", "flush", "merge"})
_STATEMENTS = re.compile(r"sqlalchemy\b.*\.(insert|update|delete)")
_LOCKS = re.compile(r"\bFOR\s+(NO\s+KEY\s+)?(UPDATE|SHARE|KEY)\b|\bpg_advisory", re.IGNORECASE)
_READS = re.compile(r"\s*(SELECT|WITH|SET|SHOW)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Method:
    """One method of an interface.

    Attributes:
        joins: whether it takes its caller's transaction.
        source: where it is declared, which may be a base of the interface.
    """

    name: str
    joins: bool
    node: Function
    source: Source

    @property
    def place(self) -> Place:
        """Where it is declared."""
        return Place(self.source.path, self.node.lineno, self.name)


@dataclass
class Effects:
    """What a method does in the transaction that it is given.

    Attributes:
        writes: whether it may write; also where nobody can tell.
        locks: whether it holds rows for as long as the transaction lasts.
        told: events that it publishes and jobs that it enqueues there.
    """

    writes: bool = False
    locks: bool = False
    told: list[Place] = field(default_factory=list)

    def __str__(self) -> str:
        kind = "writes" if self.writes else "locks rows" if self.locks else "only reads"
        return " and ".join([kind, *dict.fromkeys(each.what for each in self.told)])


@dataclass
class Interface:
    """The interface of a module, by its full name."""

    module: str
    dotted: str
    methods: dict[str, Method]

    @property
    def name(self) -> str:
        """As callers call it."""
        return self.dotted.rpartition(".")[2]


def is_tx(dotted: str) -> bool:
    """Tell whether a type is a transaction."""
    return dotted.startswith("app.platform.database") and dotted.endswith(".Tx")


def read(root: Path, sources: Sources, name: str) -> Interface:
    """Read the interface of a module. Raises ScaffoldError where there is none."""
    folder = root / repository.MODULES / name
    wanted = repository.interface(folder)
    wiring = sources.files.get(f"app.modules.{name}.wiring")
    dotted = sources.canonical(wiring.names.get(wanted, wanted)) if wiring else wanted
    if not sources.class_of(dotted):
        raise ScaffoldError(
            f"{folder}/__init__.py has no class {wanted}, which build in wiring.py returns; a "
            f"module is carved along its interface, so declare it there: class {wanted}(Protocol)"
        )
    return Interface(name, dotted, _methods(sources, dotted))


def _methods(sources: Sources, dotted: str) -> dict[str, Method]:
    found: dict[str, Method] = {}
    for kind in sources.ancestry(dotted):
        if place := sources.class_of(kind):
            source, node = place
            for name, function in methods(node).items():
                if not name.startswith("_"):
                    joins = any(
                        each.arg == "tx" or is_tx(source.dotted_name(each.annotation))
                        for each in arguments(function)
                    )
                    found.setdefault(name, Method(name, joins, function, source))
    return found


class Behind:
    """The code behind an interface."""

    def __init__(self, root: Path, sources: Sources, interface: Interface) -> None:
        self._sources, self._module = sources, interface.module
        wiring = sources.files.get(f"app.modules.{interface.module}.wiring")
        try:
            made = repository.implementation(root / repository.MODULES / interface.module)
        except ScaffoldError:  # Made in another way; then nobody knows what it does.
            made = ""
        self._class = sources.canonical(wiring.names.get(made, made)) if wiring else ""

    def of(self, method: str) -> list[tuple[Source, Function]]:
        """The functions of the module that a method may run, itself first; none if unknown."""
        first = self._method(method)
        waiting, found = [first] if first else [], dict[int, tuple[Source, Function]]()
        while waiting:
            source, function = waiting.pop(0)
            if id(function) not in found:
                found[id(function)] = source, function
                waiting += self._called(source, function)
        return list(found.values())

    def effects(self, method: str) -> Effects:
        """What a method does with its caller's transaction."""
        code = self.of(method)
        found = Effects(writes=not code)
        for source, function in code:
            for node in ast.walk(function):
                self._note(found, source, node)
        return found

    def _method(self, name: str) -> tuple[Source, Function] | None:
        for kind in self._sources.ancestry(self._class):
            if (found := self._sources.class_of(kind)) and name in (own := methods(found[1])):
                return found[0], own[name]
        return None

    def _called(self, source: Source, function: Function) -> Iterator[tuple[Source, Function]]:
        for node in ast.walk(function):
            match node:
                case ast.Attribute(value=ast.Name(id="self"), attr=name):
                    if found := self._method(name):
                        yield found
                case ast.Name(id=name):
                    other = self._sources.find(source.names.get(name, ""))
                    if other and other[0].module == self._module:
                        where, definition = other
                        if isinstance(definition, Function):
                            yield where, definition

    def _note(self, found: Effects, source: Source, node: ast.AST) -> None:
        match node:
            case ast.Call(func=ast.Attribute(attr="publish"), args=[*_, event]):
                named = source.dotted_name(event.func if isinstance(event, ast.Call) else event)
                self._tell(found, source, node, f"publishes {_last(named) or 'an event'}")
            case ast.Call(func=ast.Attribute(value=value, attr="enqueue")):
                named = source.dotted_name(value)
                self._tell(found, source, node, f"enqueues {_last(named) or 'a job'}")
            case ast.Call(func=func, args=args):
                self._note_call(found, source, func, args)
            case (
                ast.Assign(targets=[ast.Attribute() as target])
                | ast.AugAssign(target=ast.Attribute() as target)
            ):
                # A row is changed by an assignment, one's own attributes are no rows.
                found.writes |= not (
                    isinstance(target.value, ast.Name) and target.value.id == "self"
                )
            case ast.Constant(value=str(text)) if _LOCKS.search(text):
                found.locks = True

    @staticmethod
    def _tell(found: Effects, source: Source, node: ast.Call, what: str) -> None:
        found.writes = True
        found.told.append(Place(source.path, node.lineno, what))

    @staticmethod
    def _note_call(found: Effects, source: Source, func: ast.expr, args: list[ast.expr]) -> None:
        name = source.dotted_name(func)
        if isinstance(func, ast.Attribute):
            found.writes |= func.attr in _WRITES
            found.locks |= func.attr == "with_for_update"
        if _STATEMENTS.match(name):
            found.writes = True
        elif _last(name) == "text":
            first = args[0] if args else None
            said = str(first.value) if isinstance(first, ast.Constant) else ""
            found.writes |= not _READS.match(said)
        elif isinstance(func, ast.Attribute) and any(
            isinstance(each, ast.Name) and each.id == "tx" for each in args
        ):
            found.writes |= _is_of_others(func)


def _is_of_others(func: ast.Attribute) -> bool:
    """Whether a call hands the transaction on to something that is held: another module."""
    return isinstance(func.value, ast.Attribute)


def _last(dotted: str) -> str:
    return dotted.rpartition(".")[2]
