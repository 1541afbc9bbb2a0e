"""Large tables that a plan reads from end to end, and the columns in which an index would spare it that."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.platform.query_stats.plans import Name, name_of, Plan, Step, steps, Table
from app.platform.telemetry import without_values

LARGE = 10_000
"""Rows from which on reading a table from end to end is no way to find a few."""
_FEW = 0.1
"""The share of a table's rows that an index may find faster than reading them all."""

_COLUMN = r'(\w+|"[^"]+")'
_COMPARED = r"\)?(?:::[\w ]+(?:\[\])?)?\s*(=|<=|>=|<|>)(?!\w)"
_JOINS = ("Hash Cond", "Merge Cond", "Join Filter")
_IN_ORDER = {"Sort", "Incremental Sort", "Limit", "Gather", "Gather Merge", "LockRows", "Result"}
"""What may stand between the first few rows and a scan, so that an index in order does as well."""


@dataclass(frozen=True, slots=True)
class Scan:
    """A large table that is read from end to end."""

    name: Name
    table: Table
    reason: str | None
    """What for, without values; None where all rows are wanted."""
    indexes: list[list[str]]
    """The columns of indexes that would find the rows; none where many are wanted."""


def find_scans(plan: Plan, tables: Mapping[Name, Table]) -> Iterator[Scan]:
    """Yield what a plan reads from end to end, but for small tables, and where it stops early."""
    for step in steps(plan):
        node, name = step.node, name_of(step.node)
        if node["Node Type"] != "Seq Scan" or name is None or name not in tables:
            continue
        table = tables[name]
        stops_early = plan["Total Cost"] < node["Total Cost"] / 2
        if table.rows >= LARGE and not stops_early:
            yield Scan(name, table, *_wanted(step, table.rows * _FEW))


def _wanted(step: Step, few: float) -> tuple[str | None, list[list[str]]]:
    """Return what a scan is for, and the columns of the indexes that would do."""
    node = step.node
    if "Filter" in node:
        condition = f"for {without_values(node['Filter'])}"
        if node["Plan Rows"] > few:
            return None, []
        columns = _compared(node)
        return condition, [[each] for each in columns] if " OR " in node["Filter"] else [columns]
    for join in step.above:
        joined = [found for key in _JOINS for found in _joined(node, join.get(key, ""))]
        if joined and join["Plan Rows"] <= few:
            return f"to join {', '.join(joined)}", [joined]
    if columns := _order(step):
        return f"to sort it by {', '.join(columns)}", [columns]
    return None, []


def _compared(node: Plan) -> list[str]:
    """Return the columns that a filter compares: those with one value first, then a range."""
    # What stands behind the name of a function is no column, but an expression.
    column = rf"(?<![\w.])(\w+\(+)?\(*{_alias(node)}\.{_COLUMN}{_COMPARED}"
    compared = [found[1:] for found in re.findall(column, node["Filter"]) if not found[0]]
    equal = [name.strip('"') for name, operator in compared if operator == "="]
    ranges = [name.strip('"') for name, operator in compared if operator != "="]
    return list(dict.fromkeys([*equal, *ranges[:1]]))


def _joined(node: Plan, condition: str) -> list[str]:
    """Return the columns of a scan that a join compares with those of another table."""
    own = rf"(?<![\w.]){_alias(node)}\.{_COLUMN}"
    return list(dict.fromkeys(name.strip('"') for name in re.findall(own, condition)))


def _order(step: Step) -> list[str]:
    """Return the columns by which a scan's rows are sorted before the first few are taken."""
    kinds = {node["Node Type"] for node in step.above}
    if "Limit" not in kinds or not kinds <= _IN_ORDER:
        return []
    keys: list[str] = next((node["Sort Key"] for node in step.above if "Sort Key" in node), [])
    columns = [re.match(rf"{_alias(step.node)}\.{_COLUMN}(?: DESC)?$", key) for key in keys]
    return [found[1].strip('"') for found in columns if found] if all(columns) else []


def _alias(node: Plan) -> str:
    """Return a table's name as the plan writes it, for a regular expression."""
    name: str = node["Alias"]
    return name if re.fullmatch(r"[a-z_]\w*", name) else re.escape(f'"{name}"')
