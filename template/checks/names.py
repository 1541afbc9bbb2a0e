"""What the names in a file stand for."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from checks.scopes import imported_names, Scopes

BUILTINS = {"__builtins__", "__import__", "__loader__", "eval", "exec"}
_NAME_IN_TEXT = re.compile(r"app(\.\w+)+|app\.(modules|platform)(\.\w+)+:\w[\w.]*")
_FINDS_MODULES = re.compile(r"app\.(platform|development)\.")
GLOBALS = "__globals__"
"""By which any function leads to all names of its file."""
_GLOBALS = {GLOBALS, "__builtins__", "f_builtins", "f_globals"}
"""What it is called by functions and frames, and what leads as far."""
_HANDLE = re.compile(
    r"app(\.platform(\.\w+)?|\.modules(\.\w+)?)?|alembic\.op"
    r"|sqlalchemy(\.schema|\.sql(\.(_elements_constructors|ddl|elements|expression|functions))?)?"
    r"(\.(text|func|DDL|literal_column|TextClause|tstring))?"
)
"""What is a handle to more than itself: handed on, nobody sees what is taken from it."""
_REACH: set[type[ast.AST]] = {ast.Attribute, ast.Call, ast.Constant, ast.Name}
"""Nodes by which a file may get hold of something."""
_NAME_TYPES: set[type[ast.AST]] = {
    ast.AnnAssign,
    ast.AsyncFunctionDef,
    ast.Call,
    ast.FunctionDef,
    ast.MatchClass,
    ast.arg,
}
"""Nodes in which a type is named. Asking for a kind is quicker than matching, and there are many."""
_LOGGERS = {
    "app.platform.telemetry.get_logger",
    "logging.getLogger",
    "structlog.get_logger",
    "structlog.stdlib.get_logger",
}
"""They take a name, and import nothing."""


class Reference(NamedTuple):
    """A dotted name that a file gets hold of."""

    line: int
    name: str


class Names:
    """The names of one file: what it imports, and what it reaches in other ways."""

    def __init__(self, tree: ast.Module, package: str) -> None:
        self.scopes = Scopes(tree, package)
        self._full: dict[ast.AST, str | None] = {}
        self.nodes = self.scopes.nodes
        self.imports = frozenset(self._imports(package))
        self.reached: frozenset[Reference]
        """Names reached in other ways: `billing.service`, `"app.modules.billing.service"`."""
        self.handed: frozenset[Reference]
        """Packages and the like that are used as a value: `vars(billing)`, `x = billing`."""
        self.reached, self.handed = self._reached()

    def full(self, node: ast.AST) -> str | None:
        """Return what `a`, `a.b` or `"app.a"` stands for; None where the file did not import it."""
        if node not in self._full:
            self._full[node] = self._find(node)
        return self._full[node]

    def _find(self, node: ast.AST) -> str | None:
        match node:
            case ast.Attribute():
                start = self.full(node.value)
                return start and f"{start}.{node.attr}"
            case ast.Call(
                func=ast.Name(id="getattr"), args=[of, ast.Constant(value=str(name)), *_]
            ):
                start = self.full(of)
                return start and f"{start}.{name}"
            case ast.Call(func=ast.Name(id="vars"), args=[of]):
                start = self.full(of)
                return start and f"{start}.__dict__"
            case ast.Name():
                bound = self.scopes.bindings(node)
                imported = (each.imported for each in bound if each.imported)
                builtin = node.id if node.id in BUILTINS and not bound else None
                return next(imported, builtin)
            case ast.Constant(value=str(text)) if _NAME_IN_TEXT.fullmatch(text):
                return text.replace(":", ".")
        return None

    def called(self, node: ast.expr) -> str | None:
        """Return what is called: also by another name, and by `type(x)` (its name is `type`)."""
        match node:
            case ast.Call(func=ast.Name(id="type"), args=[_]) | ast.Attribute(attr="__class__"):
                return "type"
        if (name := self.full(node)) is not None:
            return name
        bound = self.scopes.bindings(node)
        value = bound[0].value if len(bound) == 1 else None
        return self.called(value) if isinstance(value, ast.Attribute | ast.Name) else None

    def unwrapped(self, call: ast.Call) -> ast.Call:
        """Return the call that a `partial(…)` stands for."""
        if call.args and self.full(call.func) == "functools.partial":
            first, *rest = call.args
            return ast.copy_location(ast.Call(first, rest, call.keywords), call)
        return call

    def defined(self) -> frozenset[str]:
        """Return the names that the file does not merely import."""
        bound = self.scopes.top.bound.items()
        return frozenset(name for name, each in bound if any(not by.imported for by in each))

    def _imports(self, package: str) -> Iterator[Reference]:
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from (Reference(node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                for _, name in imported_names(node, package):
                    yield Reference(node.lineno, name)

    def _reached(self) -> tuple[frozenset[Reference], frozenset[Reference]]:
        inner: set[int] = set()
        called: set[int] = set()
        to_platform: set[int] = set()
        types: set[int] = set()
        for node in self.nodes:
            if type(node) in _NAME_TYPES:
                types.update(id(part) for each in _types_in(node) for part in ast.walk(each))
            if isinstance(node, ast.Attribute):
                inner.add(id(node.value))
            elif isinstance(node, ast.Call):
                called.add(id(node.func))
                function = self.full(node.func) or ""
                if _FINDS_MODULES.match(function):
                    to_platform.update(map(id, node.args))
                elif function in _LOGGERS:
                    inner.update(map(id, node.args))
                if self.full(node) is not None:  # getattr(…, "name"), vars(…)
                    inner.add(id(node.args[0]))
        reached, handed = set(), set()
        for node in self.nodes:
            if type(node) not in _REACH:
                continue
            assert isinstance(node, ast.expr)
            if _leads_to_globals(node):
                reached.add(Reference(node.lineno, GLOBALS))
            name = self.full(node) if id(node) not in inner else None
            if name is None or (name == "app.modules" and id(node) in to_platform):
                continue  # Only these find modules by themselves: `discover(modules)`.
            reached.add(Reference(node.lineno, name))
            if name.endswith(".__dict__") and _HANDLE.fullmatch(
                package := name[: -len(".__dict__")]
            ):
                handed.add(Reference(node.lineno, package))
            is_read = not isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
            is_value = is_read and id(node) not in called and not isinstance(node, ast.Constant)
            is_type = id(node) in types and name.startswith("sqlalchemy.")
            if is_value and not is_type and _HANDLE.fullmatch(name):
                handed.add(Reference(node.lineno, name))
        return frozenset(reached), frozenset(handed)


def _leads_to_globals(node: ast.expr) -> bool:
    """Say whether this is `f.__globals__`, or the text in `getattr(f, "__globals__")`."""
    match node:
        case ast.Attribute(attr=name):
            return name in _GLOBALS
        case ast.Constant(value=str(name)):
            return "__" in name and not _GLOBALS.isdisjoint(name.split("."))
    return False


def _types_in(node: ast.AST) -> list[ast.expr]:
    """Return what says of which type something is, in annotations and `isinstance`."""
    match node:
        case (
            ast.FunctionDef(returns=ast.expr() as said)
            | ast.AsyncFunctionDef(returns=ast.expr() as said)
        ):
            return [said]
        case ast.arg(annotation=ast.expr() as said) | ast.AnnAssign(annotation=said):
            return [said]
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, said]):
            return [said]
        case ast.MatchClass(cls=said):
            return [said]
    return []
