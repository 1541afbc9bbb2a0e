"""Names in quotes: what a file exports, what annotations say, and what is looked up by name."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import libcst as cst
from libcst import matchers as m

from scaffold.changes import Changes

_LOOKS_UP = {"import_module", "__import__"}
_ANY_STRING = m.SimpleString() | m.FormattedStringText()
_TOKEN = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:\.\w+)+(?::\w+(?:\.\w+)*)?")


Parents = Mapping[cst.CSTNode, cst.CSTNode]
_String = cst.SimpleString | cst.FormattedStringText


def exported(parents: Parents) -> set[str]:
    """The texts of what is said about `__all__`; `parents` has every node of the file."""
    said = {
        _statement(node, parents)
        for node in parents
        if isinstance(node, cst.Name) and node.value == "__all__"
    }
    return {
        _value(text)
        for text in (parents if said else ())
        if isinstance(text, cst.SimpleString) and _statement(text, parents) in said
    }


def texts(parents: Parents) -> set[str]:
    """Strings that stand elsewhere than in an annotation, by which a name may be looked up."""
    return {
        _value(text)
        for text in parents
        if isinstance(text, cst.SimpleString) and not _is_in_type(text, parents)
    }


def _statement(node: cst.CSTNode, parents: Parents) -> cst.CSTNode:
    while node in parents and not isinstance(node, cst.BaseSmallStatement):
        node = parents[node]
    return node


def _is_in_type(text: cst.CSTNode, parents: Parents) -> bool:
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


def is_remark(text: cst.CSTNode, parents: Parents) -> bool:
    """Whether a string in an annotation is what `Annotated` adds to a type, and no type."""
    node = text
    while isinstance(text, cst.BaseString) and not isinstance(node, cst.Annotation | cst.Module):
        above = parents[node]
        if isinstance(above, cst.Subscript) and _name(above.value) == "Annotated":
            return node in above.slice[1:]
        node = above
    return False


def attributes(text: cst.CSTNode, local: str) -> list[str]:
    """What an annotation in quotes takes from a name, each as `.attribute`."""
    value = getattr(text, "evaluated_value", None)
    found = re.findall(rf"(?<![\w.]){local}((?:\.\w+)+)", value if isinstance(value, str) else "")
    return list(dict.fromkeys(found))


def mentions(
    parents: Parents, positions: Mapping[cst.CSTNode, Any], changes: Changes
) -> Iterator[tuple[int, str]]:
    """Find the strings that name what has moved, by line. Docstrings are for people."""
    for node in parents:
        if isinstance(node, _String) and not _is_docstring(node, parents):
            for what in in_text(_value(node), changes):
                yield positions[node].start.line, f"in quotes: {what}"
        elif isinstance(node, cst.Call) and node.args and _name(node.func) in _LOOKS_UP:
            for what in _looked_up(node.args[0].value, changes):
                yield positions[node].start.line, what


def _looked_up(given: cst.BaseExpression, changes: Changes) -> Iterator[str]:
    name = _value(given)
    if name and changes.is_left(name):
        yield f"imports {name} by name, and some of it has moved"
    elif not name and any(_begins(_value(x), changes) for x in m.findall(given, _ANY_STRING)):
        yield "imports a module by a computed name; see whether it has moved"


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


def _is_docstring(text: cst.CSTNode, parents: Parents) -> bool:
    above = parents.get(text)
    while isinstance(above, cst.ConcatenatedString):
        above = parents.get(above)
    return isinstance(above, cst.Expr)


def _begins(text: str, changes: Changes) -> bool:
    return bool(text) and any(
        change.place.module.startswith(text) or text.startswith(f"{change.place.module}.")
        for change in changes.all
    )


def _name(node: cst.BaseExpression) -> str:
    last = node.attr if isinstance(node, cst.Attribute) else node
    return last.value if isinstance(last, cst.Name) else ""


def _value(text: cst.CSTNode) -> str:
    value = text.evaluated_value if isinstance(text, cst.SimpleString) else ""
    value = text.value if isinstance(text, cst.FormattedStringText) else value
    return value if isinstance(value, str) else ""
