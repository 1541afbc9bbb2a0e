"""Where the names of a file are bound, and to what."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

_BINDING: set[type[ast.AST]] = {
    ast.AnnAssign,
    ast.Assign,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.DictComp,
    ast.ExceptHandler,
    ast.FunctionDef,
    ast.GeneratorExp,
    ast.Global,
    ast.Import,
    ast.ImportFrom,
    ast.Lambda,
    ast.ListComp,
    ast.MatchAs,
    ast.Name,
    ast.NamedExpr,
    ast.Nonlocal,
    ast.SetComp,
    ast.arg,
    ast.withitem,
}
"""Most nodes bind nothing, and there are many."""


class Binding(NamedTuple):
    """One way in which a name gets its meaning; where all is None, nobody can say which."""

    imported: str | None = None
    value: ast.expr | None = None
    annotation: ast.expr | None = None
    opened: ast.expr | None = None
    """What is opened by `with … as name`."""
    of_class: "Scope | None" = None


class Scope:
    """A file, a class, a function or a comprehension."""

    def __init__(self, outer: "Scope | None" = None, *, is_class: bool = False) -> None:
        self.outer = outer
        self.is_class = is_class
        self.bound: dict[str, list[Binding]] = {}
        """What methods give to `self` counts as bound in the class."""

    def bind(self, name: str, binding: Binding) -> None:
        self.bound.setdefault(name, []).append(binding)

    def find(self, name: str) -> list[Binding]:
        """Return how a name is bound, in the nearest scope that does so."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bound and (scope is self or not scope.is_class):
                return scope.bound[name]
            scope = scope.outer
        return []

    def nearest_class(self) -> "Scope | None":
        """Return the class that this is, or is a part of."""
        return self if self.is_class or self.outer is None else self.outer.nearest_class()


class Scopes:
    """The scopes of one file."""

    def __init__(self, tree: ast.Module, package: str) -> None:
        self.nodes: list[ast.AST] = []
        """Every node of the file, each before what is in it."""
        self.top = Scope()
        self._package = package
        self._of: dict[int, Scope] = {}
        self._visit(tree, self.top)

    def bindings(self, node: ast.AST) -> list[Binding]:
        """Return how a name is bound, or an attribute of `self`, `cls` or a class of the file."""
        if isinstance(node, ast.Name):
            return self._of.get(id(node), self.top).find(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            scope = self._of.get(id(node.value), self.top)
            if node.value.id in ("self", "cls"):
                owner = scope.nearest_class()
            else:
                owner = next((each.of_class for each in scope.find(node.value.id)), None)
            return owner.bound.get(node.attr, []) if owner is not None else []
        return []

    def _visit(self, node: ast.AST, scope: Scope) -> None:
        self.nodes.append(node)
        inner = self._bind(node, scope) if type(node) in _BINDING else scope
        if inner is not None:
            for field in node._fields:
                value = getattr(node, field, None)
                for child in value if isinstance(value, list) else (value,):
                    if isinstance(child, ast.AST) and not isinstance(child, ast.expr_context):
                        self._visit(child, inner)

    def _bind(self, node: ast.AST, scope: Scope) -> Scope | None:
        """Return the scope of what is in a node; None where that has been visited."""
        match node:
            case ast.Name():
                self._of[id(node)] = scope
                if not isinstance(node.ctx, ast.Load):
                    scope.bind(node.id, Binding())
            case ast.Import() | ast.ImportFrom():
                for name, imported in imported_names(node, self._package):
                    scope.bind(name, Binding(imported=imported))
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                if not isinstance(node, ast.Lambda):
                    scope.bind(node.name, Binding())
                return Scope(scope)
            case ast.arg():
                scope.bind(node.arg, Binding(annotation=node.annotation))
            case ast.ClassDef():
                inner = Scope(scope, is_class=True)
                scope.bind(node.name, Binding(of_class=inner))
                return inner
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return Scope(scope)
            case ast.Assign(targets=[target]) if self._binds(target, scope, value=node.value):
                return None
            case ast.AnnAssign(target=target) if self._binds(
                target, scope, value=node.value, annotation=node.annotation
            ):
                return None
            case ast.NamedExpr(target=target) if self._binds(target, scope, value=node.value):
                return None
            case ast.withitem(optional_vars=ast.expr() as target) if self._binds(
                target, scope, opened=node.context_expr
            ):
                return None
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                scope.bind(name, Binding())
            case ast.Global() | ast.Nonlocal():
                for name in node.names:
                    self.top.bind(name, Binding())
        return scope

    def _binds(
        self,
        target: ast.expr,
        scope: Scope,
        *,
        value: ast.expr | None = None,
        annotation: ast.expr | None = None,
        opened: ast.expr | None = None,
    ) -> bool:
        """Bind one name, or an attribute of `self`; say whether it is one."""
        binding = Binding(value=value, annotation=annotation, opened=opened)
        match target:
            case ast.Name():
                self._of[id(target)] = scope
                scope.bind(target.id, binding)
            case ast.Attribute(value=ast.Name(id="self")) if owner := scope.nearest_class():
                owner.bind(target.attr, binding)
                self._visit(target.value, scope)
            case _:
                return False
        self.nodes.append(target)
        for each in (value, annotation, opened):
            if each is not None:
                self._visit(each, scope)
        return True


def imported_names(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, str]]:
    """Yield each name that a statement binds, and what it stands for."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            first = alias.name.partition(".")[0]
            yield alias.asname or first, alias.name if alias.asname else first
        return
    for alias in node.names:
        yield alias.asname or alias.name, f"{origin_of(node, package)}.{alias.name}"


def origin_of(node: ast.ImportFrom, package: str) -> str:
    """Return the dotted name behind `from`, as if it were absolute."""
    above = package.split(".")[: -node.level + 1 or None] if node.level else []
    return ".".join([*above, *([node.module] if node.module else [])])
