"""Where in a file one is: whose variables, which loop, which open transactions, what is caught."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scaffold.carving.interface import is_tx
from scaffold.carving.sources import Function, Source
from scaffold.carving.types import Types, Variables, pairs

_ANY = frozenset({"", "BaseException", "Exception"})


@dataclass(frozen=True)
class Block:
    """An open transaction: of a `with`, or as a parameter."""

    name: str
    block: ast.AsyncWith | ast.With | None
    loop: int


Key = tuple[str, str]
"""A function: its class or file, and its name."""


class Scopes(ast.NodeVisitor):
    """Reads a file from its first line to its last, and knows where it is."""

    def __init__(self, source: Source, types: Types) -> None:
        self._source, self._types = source, types
        self._variables: Variables = {}
        self._class = ""
        self._function: Key = (source.dotted, "")
        self._loop = 0
        self._open: tuple[Block, ...] = ()
        self._caught: tuple[str, ...] = ()

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
        blocks = tuple(Block(each, None, 0) for each in given if each in names)
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
                    blocks = (*blocks, Block(name, node, self._loop))
                case _ if name:
                    self._variables[name] = self._kind(item.context_expr)
        with self._in(_open=blocks):
            for statement in node.body:
                self.visit(statement)

    visit_AsyncWith = visit_With  # noqa: N815

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target, value in pairs(node.targets, node.value):
            if isinstance(target, ast.Name):
                # One branch may set it to something, and the other to None.
                before = self._variables.get(target.id, "")
                self._variables[target.id] = self._kind(value) or before

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self._variables[node.target.id] = self._types.annotated(node.annotation, self._source)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._variables[node.target.id] = self._kind(node.value)
