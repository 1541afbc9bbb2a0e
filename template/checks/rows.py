"""Which statements of a migration mean every row of their table."""

from collections.abc import Set
from typing import Any

from postgast import pg_query_pb2

from checks.scripts import all_of

_CHANGE = {pg_query_pb2.CMD_DELETE, pg_query_pb2.CMD_UPDATE}
_BY_SOURCE = pg_query_pb2.MERGE_WHEN_NOT_MATCHED_BY_SOURCE


def name_of(table: Any) -> str:
    """Return a table's name behind its schema's."""
    return f"{table.schemaname}.{table.relname}"


def is_of_all_rows(node: Any) -> bool:
    """Say whether a SELECT means all rows of its tables."""
    return not node.HasField("limit_count") and (
        not node.HasField("where_clause") or _is_always(node.where_clause)
    )


def is_everything(node: Any, added: Set[tuple[str, str]]) -> bool:
    """Say whether an UPDATE, DELETE or MERGE means all rows of its table.

    In columns that were added just now, all rows are alike.
    """
    table = name_of(node.relation)
    if node.DESCRIPTOR.name == "MergeStmt":
        changes = [e.merge_when_clause for e in node.merge_when_clauses]
        changes = [each for each in changes if each.command_type in _CHANGE]
        rest = [e for e in changes if e.match_kind == _BY_SOURCE and not e.HasField("condition")]
        is_all = _is_always(node.join_condition) or _is_itself(node.source_relation, table)
        return bool(rest) or (is_all and any(not each.HasField("condition") for each in changes))
    if not node.HasField("where_clause"):
        return True
    where = node.where_clause
    if any(all_of(where, "RangeVar")):
        return _is_any_of_all(where, table)
    others = [*getattr(node, "from_clause", ()), *getattr(node, "using_clause", ())]
    columns = {(table, _parts(each)[-1]) for each in all_of(where, "ColumnRef")}
    if columns and columns <= added and not others:
        return True
    return _is_always(where, by_name=all(_is_itself(each, table) for each in others))


def _is_always(node: Any, *, by_name: bool = False) -> bool:
    """Say whether a condition is the same for all rows: `true`, `1 = 1`, `id = id`.

    With `by_name`, all columns are of one table, whatever stands before their dots.
    """
    if node.HasField("bool_expr"):
        parts = [_is_always(each, by_name=by_name) for each in node.bool_expr.args]
        is_or = node.bool_expr.boolop == pg_query_pb2.OR_EXPR
        return any(parts) if is_or else all(parts)
    if node.HasField("a_expr") and node.a_expr.HasField("lexpr"):
        left, right = (
            [_parts(each)[-1:] if by_name else _parts(each) for each in all_of(side, "ColumnRef")]
            for side in (node.a_expr.lexpr, node.a_expr.rexpr)
        )
        is_same = not by_name or node.a_expr.name[-1].string.sval == "="
        if left and left == right and is_same:
            return True
    return not any(all_of(node, "ColumnRef")) and not any(all_of(node, "RangeVar"))


def _is_any_of_all(where: Any, table: str) -> bool:
    """Say whether a condition is that a row is one of its own table: `id IN (SELECT id FROM …)`."""
    query = where.sub_link.subselect.select_stmt
    return (
        where.HasField("sub_link")
        and is_of_all_rows(query)
        and not query.group_clause
        and not any(all_of(query, "FuncCall"))
        and all(_is_itself(each, table) for each in query.from_clause)
    )


def _is_itself(source: Any, table: str) -> bool:
    return source.HasField("range_var") and name_of(source.range_var) == table


def _parts(column: Any) -> list[str]:
    return [each.string.sval for each in column.fields]
