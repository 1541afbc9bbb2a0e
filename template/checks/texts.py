"""Strings, as far as they can be read without running anything."""

import ast
from collections.abc import Iterator
from typing import Any

from checks.names import Names

HOLE = "value_of_an_f_string"
"""Stands for what cannot be read in the middle of what can."""
_METHODS = {
    "capitalize",
    "casefold",
    "expandtabs",
    "format",
    "join",
    "lower",
    "lstrip",
    "removeprefix",
    "removesuffix",
    "replace",
    "rstrip",
    "strip",
    "title",
    "upper",
}
_RETURN_THEIR_TEXT = {"inspect.cleandoc", "sqlalchemy.quoted_name", "textwrap.dedent"}
_DEEPEST = 20
_MOST_CONDITIONS = 4


class Texts:
    """What the expressions of one file are as text."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._outcomes: dict[int, bool] | None = None
        """Of conditional expressions; they cannot be read without."""
        self._open: ast.IfExp | None = None

    def read(self, node: ast.expr) -> str | None:
        """Return a string as far as it can be read, with HOLE for what cannot; None for the rest."""
        value = self._value(node, 0)
        return value if isinstance(value, str) else None

    def read_each(self, node: ast.expr) -> Iterator[str | None]:
        """Return what a string can be, by every outcome of the conditional expressions in it."""
        waiting: list[dict[int, bool]] = [{}]
        try:
            while waiting:
                self._outcomes, self._open = waiting.pop(), None
                text = self.read(node)
                if self._open is not None and len(self._outcomes) < _MOST_CONDITIONS:
                    waiting += [
                        {**self._outcomes, id(self._open): is_so} for is_so in (False, True)
                    ]
                else:
                    yield text
        finally:
            self._outcomes = None

    def is_an_object(self, node: ast.expr) -> bool:
        """Say whether this is surely no text: an expression of SQLAlchemy's, such as `update(…)`."""
        if isinstance(node, ast.Name | ast.Attribute):
            bound = [each.value for each in self._names.scopes.bindings(node)]
            return bool(bound) and all(each and self.is_an_object(each) for each in bound)
        if not isinstance(node, ast.Call) or self.read(node) is not None:
            return False
        if (name := self._names.full(node.func)) is not None:
            return name.startswith("sqlalchemy.")
        return isinstance(node.func, ast.Attribute) and node.func.attr not in _METHODS

    def _value(self, node: ast.expr, depth: int) -> Any:
        """Return a string, a number, or None."""
        if depth > _DEEPEST:
            return None

        def text(part: ast.expr) -> str:
            value = self._value(part, depth + 1)
            return HOLE if value is None else str(value)

        match node:
            case ast.Constant(value=str() | int() | float()):
                return node.value
            case ast.JoinedStr():
                return "".join(text(each) for each in node.values)
            case ast.FormattedValue():
                return None if node.format_spec else text(node.value)
            case ast.IfExp() if self._outcomes is not None:
                if (is_so := self._outcomes.get(id(node))) is not None:
                    return self._value(node.body if is_so else node.orelse, depth + 1)
                self._open = node
            case ast.BinOp(op=ast.Add()):
                left, right = self._value(node.left, depth + 1), self._value(node.right, depth + 1)
                if isinstance(left, str) or isinstance(right, str):
                    return text(node.left) + text(node.right)
            case ast.BinOp(op=ast.Mod()):
                return self._percent(node, depth)
            case ast.Call(func=ast.Name(id="str"), args=[only]):
                return self._value(only, depth + 1)
            case ast.Call(args=[first, *_]) if self._names.full(node.func) in _RETURN_THEIR_TEXT:
                return self._value(first, depth + 1)
            case ast.Call(func=ast.Attribute(value=of, attr=method)) if method in _METHODS:
                return self._method(node, of, method, depth)
            case ast.Name() | ast.Attribute():
                bound = self._names.scopes.bindings(node)
                if len(bound) == 1 and bound[0].value is not None:
                    return self._value(bound[0].value, depth + 1)
        if type(node).__name__ == "TemplateStr":  # Since Python 3.14; its values are parameters.
            parts: list[ast.expr] = getattr(node, "values", [])
            return "".join(text(e) if isinstance(e, ast.Constant) else " :value " for e in parts)
        return None

    def _percent(self, node: ast.BinOp, depth: int) -> str | None:
        pattern = self._value(node.left, depth + 1)
        if not isinstance(pattern, str):
            return None
        given = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
        values = [self._value(each, depth + 1) for each in given]
        try:
            return pattern % tuple(HOLE if each is None else each for each in values)
        except (TypeError, ValueError):
            return HOLE

    def _method(self, call: ast.Call, of: ast.expr, method: str, depth: int) -> str | None:
        """Call a method of a string."""
        start = self._value(of, depth + 1)
        if not isinstance(start, str):
            return None

        def value(part: ast.expr) -> Any:
            if isinstance(part, ast.List | ast.Tuple):
                return [value(each) for each in part.elts]
            read = self._value(part, depth + 1)
            return HOLE if read is None else read

        given = {each.arg: value(each.value) for each in call.keywords if each.arg}
        try:
            return str(getattr(start, method)(*map(value, call.args), **given))
        except (TypeError, ValueError, LookupError, AttributeError):
            return HOLE
