"""What a file takes from the objects that the platform hands out: transactions, reads, databases."""

import ast
from collections.abc import Iterator

from checks.names import Names, Reference

_OPEN = {"begin_nested", "read", "savepoint", "transaction"}
"""Methods whose `with` block has such an object."""
_NAMES = {"db", "reading", "tx"}
"""How they are called by custom, where no type says it."""
_RAW_OF_HANDLES = {
    "bind",
    "connection",
    "engine",
    "get_bind",
    "run_sync",
    "sync_engine",
    "sync_session",
}
_RAW = {
    "copy_from_query",
    "copy_from_table",
    "copy_records_to_table",
    "copy_to_table",
    "dbapi_connection",
    "driver_connection",
    "exec_driver_sql",
    "get_raw_connection",
    "raw_connection",
    "sync_connection",
}
"""Ways to the driver, whoever has them."""
_DEEPEST = 10


def read_handles(names: Names) -> frozenset[Reference]:
    """Find private attributes of such objects, and ways past them."""
    return frozenset(_find(names))


def _find(names: Names) -> Iterator[Reference]:
    for node in names.nodes:
        match node:
            case ast.Attribute():
                of, name = node.value, node.attr
            case ast.Call(
                func=ast.Name(id="getattr"), args=[of, ast.Constant(value=str(name)), *_]
            ):
                pass
            case ast.Call(func=ast.Name(id="vars"), args=[of]):
                name = "__dict__"
            case _:
                continue
        assert isinstance(node, ast.expr)
        is_raw = name in _RAW or name in _RAW_OF_HANDLES or name.startswith("_")
        if is_raw and names.full(node) is None and (name in _RAW or _is_handle(of, names)):
            yield Reference(node.lineno, name)


def _is_handle(node: ast.expr, names: Names, depth: int = 0) -> bool:
    """Say whether an expression is such an object, as far as types and names tell."""
    if depth > _DEEPEST:
        return False
    match node:
        case ast.Await(value=inner) | ast.Call(func=inner):
            return _is_handle(inner, names, depth + 1)
        case ast.Attribute(value=inner, attr=name) if name in _RAW_OF_HANDLES:
            return _is_handle(inner, names, depth + 1)
    for each in names.scopes.bindings(node):
        if each.annotation is not None and (annotated := names.full(each.annotation)):
            return annotated.startswith("app.platform.")
        match each.opened:
            case ast.Call(func=ast.Attribute(attr=method)) if method in _OPEN:
                return True
        if each.value is not None:
            return _is_handle(each.value, names, depth + 1)
    last = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return last.lstrip("_") in _NAMES
