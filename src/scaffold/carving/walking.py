"""One file, read from its first line to its last: which methods of other modules it calls."""

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from scaffold.carving.interface import Interface, is_tx
from scaffold.carving.sources import Function, Source, methods
from scaffold.carving.types import BOUND, Types, Variables, pairs
from scaffold.removing.files import Place

_MANY = frozenset({"imap", "map", "starmap"})
_SIMPLE = (ast.Expr, ast.Return, ast.Assign, ast.AnnAssign)
_ANY = frozenset({"", "BaseException", "Exception"})


@dataclass(frozen=True)
class Call:
    """A place where a method of another module's interface is called, or handed on to be.

    Attributes:
        caller: the module, or the file that is in none.
        callee: the module whose method it is.
        place: where; `what` is the function that it stands in.
        joins: whether the method takes a transaction.
        inside: whether a transaction, or a read, is open there.
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
    alone: bool
    repeated: int
    catches: tuple[str, ...]
    certain: bool = True
    in_test: bool = False


@dataclass(frozen=True)
class _Block:
    """An open transaction: of a `with`, or as a parameter."""

    name: str
    block: ast.AsyncWith | ast.With | None
    loop: int


Key = tuple[str, str]
"""A function: its class or file, and its name."""


class Walk(ast.NodeVisitor):
    """One file.

    Attributes:
        found: each call, with the function that it is in.
        reached: which function calls which, and in a loop of which line.
    """

    def __init__(self, source: Source, types: Types, interfaces: Mapping[str, Interface]) -> None:
        self.found: list[tuple[Key, Call]] = []
        self.reached: list[tuple[Key, Key, int]] = []
        self._source, self._types, self._interfaces = source, types, interfaces
        self._variables: Variables = {}
        self._class = ""
        self._function: Key = (source.dotted, "")
        self._loop = 0
        self._open: tuple[_Block, ...] = ()
        self._caught: tuple[str, ...] = ()
        self._seen: set[int] = set()
        self._imported = {
            each.split(".")[2] for each in source.names.values() if each.startswith("app.modules.")
        }

    @contextmanager
    def _in(self, **state: object) -> Iterator[None]:
        before = {name: getattr(self, name) for name in state}
        for name, value in state.items():
            setattr(self, name, value)
        yield
        for name, value in before.items():
            setattr(self, name, value)

    def _kind(self, node: ast.expr | None) -> str:
        return self._types.infer(node, self._variables, self._source)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        dotted = f"{self._source.dotted}.{node.name}"
        with self._in(_class=dotted, _variables=dict(self._variables)):
            self.generic_visit(node)

    def visit_FunctionDef(self, node: Function) -> None:
        variables = {**self._variables, **self._types.parameters(node, self._source)}
        is_method = self._class and not self._function[1]
        if is_method and (first := [*node.args.posonlyargs, *node.args.args][:1]):
            variables[first[0].arg] = self._class
        given = [each for each, kind in variables.items() if is_tx(kind)]
        names = {each.arg for each in node.args.args}
        blocks = tuple(_Block(each, None, 0) for each in given if each in names)
        key = (self._class if is_method else self._source.dotted, node.name)
        for each in [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults]:
            if each is not None:
                self.visit(each)
        with self._in(_variables=variables, _function=key, _open=self._open + blocks, _caught=()):
            for statement in node.body:
                self.visit(statement)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - as ast calls it

    def visit_Lambda(self, node: ast.Lambda) -> None:
        variables = {**self._variables, **self._types.parameters(node, self._source)}
        with self._in(_variables=variables):
            self.generic_visit(node)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)  # Once, before the loop begins.
        with self._in(_loop=node.lineno):
            for statement in node.body:
                self.visit(statement)
        for statement in node.orelse:
            self.visit(statement)

    visit_AsyncFor = visit_For  # noqa: N815

    def visit_While(self, node: ast.While) -> None:
        with self._in(_loop=node.lineno):
            for each in (node.test, *node.body):
                self.visit(each)
        for statement in node.orelse:
            self.visit(statement)

    def _comprehend(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> None:
        first = node.generators[0].iter
        self.visit(first)
        with self._in(_loop=node.lineno, _variables=dict(self._variables)):
            for each in ast.iter_child_nodes(node):
                if isinstance(each, ast.comprehension):
                    for inner in (each.iter, *each.ifs):
                        if inner is not first:
                            self.visit(inner)
                else:
                    self.visit(each)

    visit_ListComp = visit_SetComp = _comprehend  # noqa: N815
    visit_GeneratorExp = visit_DictComp = _comprehend  # noqa: N815

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        caught = tuple(self._handled(node))
        with self._in(_caught=self._caught + caught):
            for statement in node.body:
                self.visit(statement)
        for each in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(each)

    visit_TryStar = visit_Try  # noqa: N815

    def _handled(self, node: ast.Try | ast.TryStar) -> Iterator[str]:
        for handler in node.handlers:
            kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
            for each in kinds:
                name = self._source.dotted_name(each)
                if name not in _ANY:
                    yield self._types.sources.canonical(name)

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        blocks = self._open
        for item in node.items:
            self.visit(item.context_expr)
            name = item.optional_vars.id if isinstance(item.optional_vars, ast.Name) else ""
            match item.context_expr:
                case ast.Call(func=ast.Attribute(attr="transaction" | "read")):
                    blocks = (*blocks, _Block(name, node, self._loop))
                case _ if name:
                    self._variables[name] = self._kind(item.context_expr)
        with self._in(_open=blocks):
            for statement in node.body:
                self.visit(statement)

    visit_AsyncWith = visit_With  # noqa: N815

    def visit_Assign(self, node: ast.Assign) -> None:
        bound = self._bound(node.value)
        if bound and all(isinstance(each, ast.Name) for each in node.targets):
            self._seen.add(id(node.value))
        self.visit(node.value)
        for target, value in pairs(node.targets, node.value):
            if isinstance(target, ast.Name):
                self._variables[target.id] = bound or self._kind(value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self._variables[node.target.id] = self._types.annotated(node.annotation, self._source)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._variables[node.target.id] = self._kind(node.value)

    def _bound(self, node: ast.expr) -> str:
        """The method of an interface that an expression is, without a call of it."""
        if isinstance(node, ast.Attribute):
            interface = self._interfaces.get(self._kind(node.value))
            if interface and node.attr in interface.methods:
                return f"{interface.dotted}{BOUND}{node.attr}"
        return ""

    def visit_Call(self, node: ast.Call) -> None:
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

    def visit_Attribute(self, node: ast.Attribute) -> None:
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

    def _block(self, node: ast.Call) -> _Block | None:
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
            alone,
            self._loop,
            self._caught,
            certain,
            self._source.is_test,
        )
        self.found.append((self._function, noted))


def _is_all(block: _Block, call: ast.Call) -> bool:
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
