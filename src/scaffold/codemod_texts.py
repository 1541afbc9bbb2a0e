"""Names in quotes: what a file exports, what annotations say, and what is looked up by name."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import libcst as cst
from libcst import matchers as m

from scaffold.changes import Changes

_TOKEN = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:\.\w+)+(?::\w+(?:\.\w+)*)?")


def exported(module: cst.Module) -> set[str]:
    """The texts of what is said about `__all__`."""
    statements = m.findall(module, m.SimpleStatementLine())
    return {
        str(text.evaluated_value)
        for statement in statements
        if m.findall(statement, m.Name("__all__"))
        for text in m.findall(statement, m.SimpleString())
        if isinstance(text, cst.SimpleString)
    }


def texts(module: cst.Module, parents: Mapping[cst.CSTNode, cst.CSTNode]) -> set[str]:
    """Strings that stand elsewhere than in an annotation, by which a name may be looked up."""
    return {
        _value(text)
        for text in m.findall(module, m.SimpleString())
        if not _is_in_type(text, parents)
    }


def _is_in_type(text: cst.CSTNode, parents: Mapping[cst.CSTNode, cst.CSTNode]) -> bool:
    node: cst.CSTNode | None = text
    while node is not None and not isinstance(node, cst.Annotation | cst.BaseStatement):
        node = parents.get(node)
    return isinstance(node, cst.Annotation)


def renamed(text: cst.SimpleString, old: str, new: str) -> cst.SimpleString:
    """An annotation in quotes with another name in it."""
    return text.with_changes(value=re.sub(rf"(?<![\w.]){re.escape(old)}(?!\w)", new, text.value))


def names(text: cst.CSTNode, name: str) -> bool:
    """Whether an annotation in quotes has a name in it; one of several parts may have."""
    if not isinstance(text, cst.SimpleString):
        return True
    return re.search(rf"(?<![\w.]){name}(?!\w)", text.value) is not None


def is_remark(text: cst.CSTNode, parents: Mapping[cst.CSTNode, cst.CSTNode]) -> bool:
    """Whether a string in an annotation is what `Annotated` adds to a type, and no type."""
    node = text
    while isinstance(text, cst.BaseString) and not isinstance(node, cst.Annotation | cst.Module):
        above = parents[node]
        if isinstance(above, cst.Subscript) and node in above.slice[1:]:
            name = above.value.attr if isinstance(above.value, cst.Attribute) else above.value
            if isinstance(name, cst.Name) and name.value == "Annotated":
                return True
        node = above
    return False


def attributes(text: cst.CSTNode, local: str) -> list[str]:
    """What an annotation in quotes takes from a name, each as `.attribute`."""
    value = getattr(text, "evaluated_value", None)
    found = re.findall(rf"(?<![\w.]){local}((?:\.\w+)+)", value if isinstance(value, str) else "")
    return list(dict.fromkeys(found))


def mentions(
    module: cst.Module,
    changes: Changes,
    positions: Mapping[cst.CSTNode, Any],
    parents: Mapping[cst.CSTNode, cst.CSTNode],
) -> Iterator[tuple[int, str]]:
    """Find the strings that name what has moved, by line. Docstrings are for people."""
    for text in m.findall(module, m.SimpleString() | m.FormattedStringText()):
        if isinstance(parents.get(text), cst.Expr | cst.ConcatenatedString) and _is_bare(
            text, parents
        ):
            continue
        for what in in_text(_value(text), changes):
            yield positions[text].start.line, f"in quotes: {what}"
    call = m.Call(
        func=m.Name("import_module")
        | m.Name("__import__")
        | m.Attribute(attr=m.Name("import_module"))
    )
    for found in m.findall(module, call):
        assert isinstance(found, cst.Call)
        if not found.args:
            continue
        given = found.args[0].value
        line = positions[found].start.line
        name = given.evaluated_value if isinstance(given, cst.SimpleString) else None
        if isinstance(name, str):
            if changes.is_left(name):
                yield line, f"imports {name} by name, and some of it has moved"
        elif any(
            _begins(text, changes)
            for text in m.findall(given, m.SimpleString() | m.FormattedStringText())
        ):
            yield line, "imports a module by a computed name; see whether it has moved"


def in_text(text: str, changes: Changes) -> Iterator[str]:
    """What a text says of what has moved."""
    for token in dict.fromkeys(_TOKEN.findall(text)):
        name = token.replace(":", ".")
        fate = changes.fate(name)
        if fate.ended or fate.first:
            yield changes.sentence(fate)
        for change in (*fate.changed, *changes.members):
            place = change.place.dotted
            if name == place or name.startswith(f"{place}."):
                yield str(change)


def _is_bare(text: cst.CSTNode, parents: Mapping[cst.CSTNode, cst.CSTNode]) -> bool:
    above = parents.get(text)
    while isinstance(above, cst.ConcatenatedString):
        above = parents.get(above)
    return isinstance(above, cst.Expr)


def _begins(text: cst.CSTNode, changes: Changes) -> bool:
    value = _value(text)
    return bool(value) and any(
        change.place.module.startswith(value) or value.startswith(f"{change.place.module}.")
        for change in changes.all
    )


def _value(text: cst.CSTNode) -> str:
    value = text.evaluated_value if isinstance(text, cst.SimpleString) else ""
    value = text.value if isinstance(text, cst.FormattedStringText) else value
    return value if isinstance(value, str) else ""
