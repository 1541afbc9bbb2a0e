"""Which methods of other modules a file calls."""

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from scaffold.carving.interface import Interface
from scaffold.carving.scopes import Block, Key, Scopes
from scaffold.carving.sources import Source, methods
from scaffold.carving.types import BOUND, Types
from scaffold.contents import Place

_MANY = frozenset({"imap", "map", "starmap"})
_SIMPLE = (ast.Expr, ast.Return, ast.Assign, ast.AnnAssign)


@dataclass(frozen=True)
class Call:
    """A place where a method of another module's interface is called, or handed on to be.

    Attributes:
        caller: the module, or the file that is in none.
        callee: the module whose method it is.
        place: where; `what` is the function that it stands in.
        joins: whether the method takes a transaction.
        inside: whether a transaction, or a read, is open there.
        in_job: whether that is the transaction of a job or a handler, which takes it.
        alone: whether it is all that its transaction does, so that nothing is lost without that.
        repeated: the line of the loop that it is in, directly or through a function; or 0.
        catches: exceptions that are caught around it, by full name.
        certain: whether the class of the object is known; else its method only has that name.
        in_test: whether a test calls it.
    """

    caller: str
    callee: str
    method: str
    place: Place
    joins: bool
    inside: bool
    in_job: bool
    alone: bool
    repeated: int
    catches: tuple[str, ...]
    certain: bool = True
    in_test: bool = False


class Walk(Scopes):
    """One file; `later` are the full names of jobs and handlers.

    Attributes:
        found: each call, with the function that it is in.
        reached: which function calls which, and in a loop of which line.
    """

    def __init__(
        self,
        source: Source,
        types: Types,
        interfaces: Mapping[str, Interface],
        later: Collection[str] = (),
    ) -> None:
        super().__init__(source, types)
        self._later = later
        self.found: list[tuple[Key, Call]] = []
        self.reached: list[tuple[Key, Key, int]] = []
        self._interfaces = interfaces
        self._seen: set[int] = set()
        self._imported = {
            each.split(".")[2] for each in source.names.values() if each.startswith("app.modules.")
        }

    def visit_Assign(self, node: ast.Assign) -> None:  # noqa: N802 - as ast calls it
        """Give a method that is assigned the name of its variable: it is called by that."""
        names = [each.id for each in node.targets if isinstance(each, ast.Name)]
        bound = self._bound(node.value) if len(names) == len(node.targets) else ""
        if bound:
            self._seen.add(id(node.value))
        super().visit_Assign(node)
        if bound:
            self._variables |= dict.fromkeys(names, bound)

    def _bound(self, node: ast.expr) -> str:
        """The method of an interface that an expression is, without a call of it."""
        if isinstance(node, ast.Attribute):
            interface = self._interfaces.get(self._kind(node.value))
            if interface and node.attr in interface.methods:
                return f"{interface.dotted}{BOUND}{node.attr}"
        return ""

    def visit_Call(self, node: ast.Call) -> None:  # noqa: N802
        is_many = self._source.dotted_name(node.func).rpartition(".")[2] in _MANY
        match node.func:
            case ast.Name(id=name) if BOUND in self._variables.get(name, ""):
                dotted, _, method = self._variables[name].partition(BOUND)
                self._note(self._interfaces[dotted], method, node, node)
            case ast.Name(id="getattr") if node.args[1:]:
                interface = self._interfaces.get(self._kind(node.args[0]))
                named = str(getattr(node.args[1], "value", ""))
                if interface and named in interface.methods:
                    self._note(interface, named, node, None)
            case ast.Attribute(value=value, attr=attr):
                self._seen.add(id(node.func))
                self._called(node, value, attr)
            case ast.Name(id=name):
                dotted = self._source.names.get(name, f"{self._source.dotted}.{name}")
                where, _, last = dotted.rpartition(".")
                self._reach((where, last))
        self.visit(node.func)
        with self._in(_loop=node.lineno if is_many and node.args[1:] else self._loop):
            for each in node.args:
                self.visit(each)
        for keyword in node.keywords:
            self.visit(keyword)

    def _called(self, node: ast.Call, value: ast.expr, attr: str) -> None:
        kind = self._kind(value)
        if interface := self._interfaces.get(kind):
            if attr in interface.methods:
                self._note(interface, attr, node, node)
        elif isinstance(value, ast.Name) and value.id == "self":
            self._reach((self._class, attr))
        elif (not kind and self._hands_on(node, value)) or self._narrows(kind, attr):
            for each in self._interfaces.values():
                method = each.methods.get(attr)
                if method and each.module in self._imported and (method.joins or kind):
                    self._note(each, attr, node, node, certain=False)

    def visit_Attribute(self, node: ast.Attribute) -> None:  # noqa: N802
        """Note a method that is handed on, to be called by others."""
        if id(node) not in self._seen and (bound := self._bound(node)):
            dotted, _, method = bound.partition(BOUND)
            self._note(self._interfaces[dotted], method, node, None)
        self.generic_visit(node)

    def _hands_on(self, node: ast.Call, value: ast.expr) -> bool:
        """Whether a call of an unknown object passes a transaction first."""
        start = value
        while isinstance(start, ast.Attribute):
            start = start.value
        is_known = isinstance(start, ast.Name) and (
            start.id in self._source.names and start.id not in self._variables
        )
        return not is_known and self._block(node) is not None

    def _narrows(self, kind: str, attr: str) -> bool:
        """Whether a class is a Protocol that an interface of a module may stand for."""
        found = self._types.sources.class_of(kind) if kind else None
        if not found or not any(
            each.rpartition(".")[2] == "Protocol" for each in self._types.sources.ancestry(kind)
        ):
            return False
        own = methods(found[1])
        return attr in own and any(
            own.keys() <= each.methods.keys() for each in self._interfaces.values()
        )

    def _reach(self, key: Key) -> None:
        self.reached.append((self._function, key, self._loop))

    def _block(self, node: ast.Call) -> Block | None:
        """The transaction that a call hands over."""
        passed = node.args[0] if node.args else None
        keyword = next((each.value for each in node.keywords if each.arg == "tx"), passed)
        if isinstance(keyword, ast.Name):
            named = (each for each in reversed(self._open) if each.name == keyword.id)
            return next(named, None)
        return None

    def _note(
        self,
        interface: Interface,
        method: str,
        node: ast.expr,
        call: ast.Call | None,
        certain: bool = True,
    ) -> None:
        promised = interface.methods[method]
        block = self._block(call) if call and promised.joins else None
        alone = bool(call and block and block.loop == self._loop and _is_all(block, call))
        noted = Call(
            self._source.module or self._source.path,
            interface.module,
            method,
            Place(self._source.path, node.lineno, self._function[1]),
            promised.joins,
            bool(self._open),
            any(each.block is None for each in self._open)
            and ".".join(self._function) in self._later,
            alone,
            self._loop,
            self._caught,
            certain,
            self._source.is_test,
        )
        self.found.append((self._function, noted))


def _is_all(block: Block, call: ast.Call) -> bool:
    """Whether a call is the last thing in its transaction, and the only one that uses it."""
    if block.block is None or len(block.block.items) != 1:
        return False
    last = block.block.body[-1]
    is_last = (
        isinstance(last, _SIMPLE) and isinstance(last.value, ast.Await) and last.value.value is call
    )
    uses = (
        each
        for statement in block.block.body
        for each in ast.walk(statement)
        if isinstance(each, ast.Name) and each.id == block.name
    )
    return is_last and len(list(uses)) == 1
