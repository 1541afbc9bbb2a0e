"""What the names in a file stand for."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

_BUILTINS = {"__import__", "eval", "exec"}
_NAME_IN_TEXT = re.compile(r"app(\.\w+)+")


class Reference(NamedTuple):
    """A dotted name that a file gets hold of."""

    line: int
    name: str


class Names:
    """The names of one file: what it imports, and what it reaches in other ways."""

    def __init__(self, tree: ast.Module, package: str) -> None:
        self.tree = tree
        self.nodes = list(ast.walk(tree))
        self._bound: dict[str, str] = {}
        self.imports = frozenset(self._imports(package))
        self.reached = frozenset(self._reached())

    def full(self, node: ast.AST) -> str | None:
        """Return what `a`, `a.b` or `"app.a"` stands for; None where the file did not import it."""
        if isinstance(node, ast.Attribute):
            start = self.full(node.value)
            return start and f"{start}.{node.attr}"
        if isinstance(node, ast.Name):
            return self._bound.get(node.id, node.id if node.id in _BUILTINS else None)
        if isinstance(node, ast.Constant) and _NAME_IN_TEXT.fullmatch(str(node.value)):
            return str(node.value)
        return None

    def _imports(self, package: str) -> Iterator[Reference]:
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    self._bound[alias.asname or first] = alias.name if alias.asname else first
                    yield Reference(node.lineno, alias.name)
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: -node.level + 1 or None] if node.level else []
                origin = ".".join([*above, *([node.module] if node.module else [])])
                for alias in node.names:
                    self._bound[alias.asname or alias.name] = f"{origin}.{alias.name}"
                    yield Reference(node.lineno, f"{origin}.{alias.name}")

    def _reached(self) -> Iterator[Reference]:
        inner = {id(node.value) for node in self.nodes if isinstance(node, ast.Attribute)}
        for node in self.nodes:
            if isinstance(node, ast.Attribute | ast.Name | ast.Constant) and id(node) not in inner:
                name = self.full(node)
                if name:
                    yield Reference(node.lineno, name)
