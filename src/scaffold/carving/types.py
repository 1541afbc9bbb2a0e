"""Of which class a value is, as far as annotations and assignments say it."""

import ast
from collections.abc import Iterator, Mapping

from scaffold.carving.sources import Function, Source, Sources, arguments, bare, methods, unquoted

Variables = dict[str, str]
"""The class of each variable, by its full name."""

_INSIDE = frozenset({"Annotated", "ClassVar", "Final", "Mapped", "Optional", "Required"})
BOUND = "::"
"""Stands between an interface and a method of it that a variable holds."""


class Types:
    """The classes of expressions in one application."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._attributes: dict[str, dict[str, str]] = {}

    def annotated(self, node: ast.expr | None, source: Source) -> str:
        """The class that an annotation names; of a union, the first that is not None."""
        if node is None:
            return ""
        node = unquoted(node)
        if isinstance(node, ast.BinOp):
            return self.annotated(node.left, source) or self.annotated(node.right, source)
        if isinstance(node, ast.Subscript):
            name = source.dotted_name(node.value).rpartition(".")[2]
            if name in _INSIDE:
                first = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice
                return self.annotated(first, source)
        dotted = source.dotted_name(bare(node))
        return self._aliased(dotted)

    def _aliased(self, dotted: str) -> str:
        """What a name stands for, where it is another one's."""
        for _ in range(5):
            found = self.sources.find(dotted) if dotted else None
            value = getattr(found[1], "value", None) if found else None
            if not found or not isinstance(value, ast.expr):
                break
            other = found[0].dotted_name(bare(value))
            if not other or isinstance(value, ast.Call):
                break
            dotted = other
        return self.sources.canonical(dotted) if dotted else ""

    def parameters(self, function: Function | ast.Lambda, source: Source) -> Variables:
        """The classes of a function's parameters."""
        if isinstance(function, ast.Lambda):
            return dict.fromkeys((each.arg for each in function.args.args), "")
        return {each.arg: self.annotated(each.annotation, source) for each in arguments(function)}

    def infer(self, node: ast.expr | None, variables: Mapping[str, str], source: Source) -> str:
        """The class of an expression; empty where nobody says it."""
        match node:
            case ast.Name(id=name):
                return variables[name] if name in variables else self._at_top(name, source)
            case ast.Attribute(value=value, attr=attr):
                if holder := self.infer(value, variables, source):
                    return self.attribute(holder, attr)
                return ""
            case ast.Await(value=value) | ast.NamedExpr(value=value):
                return self.infer(value, variables, source)
            case ast.IfExp(body=one, orelse=other):
                return self.infer(one, variables, source) or self.infer(other, variables, source)
            case ast.BoolOp(values=values):
                kinds = (self.infer(each, variables, source) for each in values)
                return next(filter(None, kinds), "")
            case ast.Subscript(slice=ast.Name() | ast.Attribute() as key):  # wired[Billing]
                kind = self.sources.canonical(source.dotted_name(key))
                return kind if self.sources.class_of(kind) else ""
            case ast.Call():
                return self._called(node, variables, source)
        return ""

    def _called(self, node: ast.Call, variables: Mapping[str, str], source: Source) -> str:
        dotted = source.dotted_name(node.func)
        if dotted in ("typing.cast", "cast") and node.args:
            return self.annotated(node.args[0], source)
        is_variable = isinstance(node.func, ast.Name) and node.func.id in variables
        found = self.sources.find(dotted) if dotted and not is_variable else None
        if found and isinstance(found[1], ast.ClassDef):
            return self.sources.canonical(dotted)
        if found and isinstance(found[1], Function):
            return self.annotated(found[1].returns, found[0])
        if isinstance(node.func, ast.Attribute):
            holder = self.infer(node.func.value, variables, source)
            return self._returned(holder, node.func.attr) if holder else ""
        return ""

    def _returned(self, holder: str, name: str) -> str:
        for kind in self.sources.ancestry(holder):
            if (found := self.sources.class_of(kind)) and name in (own := methods(found[1])):
                return self.annotated(own[name].returns, found[0])
        return ""

    def _at_top(self, name: str, source: Source) -> str:
        found = self.sources.find(source.names.get(name, ""))
        match found:
            case (where, ast.AnnAssign(annotation=annotation)):
                return self.annotated(annotation, where)
            case (where, ast.Assign(value=ast.Call() as value)):
                return self.infer(value, {}, where)
        return ""

    def attribute(self, holder: str, name: str) -> str:
        """The class of an attribute of a class."""
        for kind in self.sources.ancestry(holder):
            if found := self._of_class(kind).get(name):
                return found
        return ""

    def _of_class(self, dotted: str) -> dict[str, str]:
        if dotted not in self._attributes:
            self._attributes[dotted] = {}  # Whoever asks again meanwhile goes in a circle.
            if found := self.sources.class_of(dotted):
                self._attributes[dotted] = self._read_class(dotted, *found)
        return self._attributes[dotted]

    def _read_class(self, dotted: str, source: Source, node: ast.ClassDef) -> dict[str, str]:
        known: dict[str, str] = {}
        for each in node.body:
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                known[each.target.id] = self.annotated(each.annotation, source)
        for method in methods(node).values():
            if any("property" in source.dotted_name(each) for each in method.decorator_list):
                known[method.name] = self.annotated(method.returns, source)
            variables = self.parameters(method, source)
            for node_inside in ast.walk(method):
                match node_inside:
                    case ast.AnnAssign(
                        target=ast.Attribute(value=ast.Name(id="self"), attr=attr),
                        annotation=annotation,
                    ):
                        known[attr] = self.annotated(annotation, source)
                    case ast.Assign(value=value, targets=targets):
                        for target, given in pairs(targets, value):
                            kind = self.infer(given, variables, source)
                            if kind and (attr := _of_self(target)):
                                known.setdefault(attr, kind)
        return known


def pairs(targets: list[ast.expr], value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What is assigned to what: `a, b = 1, 2` is two."""
    for target in targets:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            yield from zip(target.elts, value.elts, strict=False)
        else:
            yield target, value


def _of_self(target: ast.expr) -> str:
    match target:
        case ast.Attribute(value=ast.Name(id="self"), attr=attr):
            return attr
    return ""
