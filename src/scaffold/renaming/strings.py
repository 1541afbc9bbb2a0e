"""Strings and comments of a Python file: those that name a module follow, by where they stand."""

from collections.abc import Collection

import libcst as cst

from scaffold.renaming.python import PythonFile, last_name
from scaffold.renaming.texts import Words, is_sql

_NAMED = {"module", "modules", "schema", "source_schema", "referent_schema"}
"""Keywords, keys and variables whose value is the name of a module, or of its schema."""
_GIVEN = {
    "BoundJob": 1,
    "CreateSchema": 0,
    "Database": 1,
    "DropSchema": 0,
    "Flags": 0,
    "at_boundary": 2,
    "describe_api": 1,
    "owner_of": 1,
    "role_of": 1,
}
"""Which argument of what is the name of a module."""
_TAKE_SQL = {
    "CheckConstraint",
    "Computed",
    "DDL",
    "execute",
    "executemany",
    "exec_driver_sql",
    "fetch",
    "fetchrow",
    "fetchval",
    "literal_column",
    "scalar",
    "scalars",
    "text",
    "tstring",
}


def follow(file: PythonFile, words: Words, examples: Collection[str] = ()) -> None:
    """Let strings and comments follow, but for the lines that are the template's."""
    lines = file.content.decode().splitlines()
    for node in file.parents:
        if not isinstance(node, cst.SimpleString | cst.FormattedStringText | cst.Comment):
            continue
        if examples and lines[file.source.line(node) - 1] in examples:
            continue
        if isinstance(node, cst.SimpleString):
            if node.raw_value == words.old:
                if _is_name(file, node):
                    start, end = file.span(node)
                    quote = len(node.quote)
                    file.edit(start + len(node.prefix) + quote, end - quote, words.new)
                continue
            _text(file, words, node, _is_sql(file, node))
        elif isinstance(node, cst.FormattedStringText):
            _text(file, words, node, _is_sql(file, node))
        elif isinstance(node, cst.Comment):
            _text(file, words, node, False)
    _heading(file, words)


def _text(file: PythonFile, words: Words, node: cst.CSTNode, sql: bool) -> None:
    text = file.text(node)
    start, _ = file.span(node)
    for begin, end, new in words.spans(text, path=file.path, sql=sql):
        at = start + len(text[:begin].encode())
        file.edits.setdefault((at, at + len(text[begin:end].encode())), new)


def _heading(file: PythonFile, words: Words) -> None:
    """`Billing: what other modules may use of it.`"""
    first = next(iter(file.source.module.body), None)
    if file.name != words.facts.package or not isinstance(first, cst.SimpleStatementLine):
        return
    said = first.body[0].value if isinstance(first.body[0], cst.Expr) else None
    if isinstance(said, cst.SimpleString) and said.raw_value.startswith(f"{words.old_class}:"):
        start = file.span(said)[0] + len(said.prefix) + len(said.quote)
        file.edit(start, start + len(words.old_class), words.new_class)


def _is_sql(file: PythonFile, node: cst.CSTNode) -> bool:
    """Whether a string is SQL: by who takes it, or by how it begins."""
    whole = node
    while isinstance(
        above := file.parents.get(whole), cst.ConcatenatedString | cst.FormattedString
    ):
        whole = above
    parts = [
        x for x in file.below(whole) if isinstance(x, cst.SimpleString | cst.FormattedStringText)
    ]
    first = min(parts, key=lambda x: file.span(x)[0])
    text = first.raw_value if isinstance(first, cst.SimpleString) else file.text(first)
    if is_sql(text):
        return True
    arg = file.parents.get(whole)
    call = file.parents.get(arg) if isinstance(arg, cst.Arg) else None
    return isinstance(call, cst.Call) and last_name(call) in _TAKE_SQL


def _is_name(file: PythonFile, node: cst.SimpleString, deep: bool = True) -> bool:
    """Whether a string that is the module's name means the module."""
    above = file.parents.get(node)
    while isinstance(above, cst.Element | cst.List | cst.Tuple | cst.Set):
        if isinstance(above, cst.List | cst.Tuple) and _behind_option(above, node):
            return True
        above = file.parents.get(above)
    match above:
        case cst.Arg(keyword=cst.Name(value=word)):
            return word in _NAMED
        case cst.Arg():
            call = file.parents.get(above)
            if isinstance(call, cst.Call):
                at = _GIVEN.get(last_name(call))
                args = list(call.args)
                before = args[args.index(above) - 1].value if args.index(above) else None
                return (at is not None and args.index(above) == at) or _is_option(before)
        case cst.DictElement(key=cst.SimpleString(raw_value=word)):
            return above.value is node and word in _NAMED
        case cst.Param(name=cst.Name(value=word)):
            return word in _NAMED
        case cst.Comparison() | cst.ComparisonTarget():
            around = file.above(node, cst.Comparison) or above
            return any(_names_module(x) for x in file.below(around))
        case cst.Assign() | cst.AnnAssign():
            targets = (
                [x.target for x in above.targets]
                if isinstance(above, cst.Assign)
                else [above.target]
            )
            return deep and any(_is_constant(file, x) for x in targets)
    return False


def _behind_option(around: cst.List | cst.Tuple, node: cst.SimpleString) -> bool:
    values = [each.value for each in around.elements]
    return node in values and values.index(node) > 0 and _is_option(values[values.index(node) - 1])


def _is_option(node: cst.CSTNode | None) -> bool:
    return isinstance(node, cst.SimpleString) and node.raw_value in ("--module", "--schema")


def _names_module(node: cst.CSTNode) -> bool:
    match node:
        case cst.Attribute(attr=cst.Name(value=word)):
            return word in _NAMED
        case cst.Index(value=cst.SimpleString(raw_value=word)):
            return word in _NAMED
    return False


def _is_constant(file: PythonFile, target: cst.BaseExpression) -> bool:
    """Whether a variable holds a module's name: by what it is called, or where it is used."""
    if not isinstance(target, cst.Name):
        return False
    if target.value.lower().strip("_") in _NAMED:
        return True
    scope = file.source.scopes.get(target)
    for assignment in scope[target.value] if scope else ():
        for access in assignment.references:
            stand_in = access.node
            above = file.parents.get(stand_in)
            if isinstance(above, cst.Arg):
                if above.keyword is not None:
                    if above.keyword.value in _NAMED:
                        return True
                    continue
                call = file.parents.get(above)
                if isinstance(call, cst.Call):
                    at = _GIVEN.get(last_name(call))
                    if at is not None and list(call.args).index(above) == at:
                        return True
    return False
