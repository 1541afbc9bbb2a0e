"""What is slow about a statement, and which cure fits: an index, a cached read, a job, …"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.platform.slow_plans import Name, name_of, Plan, Step, steps, Table
from app.platform.slow_texts import without_values

LARGE = 10_000
"""Rows from which on reading a table from end to end is no way to find a few."""
_FEW = 0.1
"""The share of a table's rows that an index may find faster than reading them all."""
_REPEATED = 5
"""Calls per transaction from which on somebody asks in a loop."""
_MANY_CALLS = 1000
_MANY_ROWS = 1000
_SLOW = 100.0
"""Milliseconds that nobody should wait for one statement."""
_WAITING = 20.0
"""Milliseconds in which Postgres reads more than a few pages, unless it waits."""
_FEW_BLOCKS = 100
_BLOCK = 8192

_COMPARED = r"\)?(?:::[\w ]+(?:\[\])?)?\s*(=|<=|>=|<|>)(?!\w)"
_BUILDERS = {"Sort", "Limit", "Gather Merge", "Gather", "LockRows", "Result", "Incremental Sort"}


@dataclass(frozen=True, slots=True)
class Statistics:
    """What Postgres has counted of a statement."""

    statement: str
    calls: int
    mean_ms: float
    rows_per_call: float
    temp_blocks_per_call: float
    blocks_per_call: float
    share: float
    """Of all the time that its module's statements took."""
    calls_per_transaction: float
    """Calls for each transaction that the module has taken part in; 0 where that is not known."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What is slow, and what to do about it."""

    cure: str
    text: str


def advise(statistics: Statistics, plan: Plan | None, tables: Mapping[Name, Table]) -> list[Advice]:
    """Return what to do about a statement, what helps most first; nothing where nothing stands out."""
    found = [*_scans(statistics, plan, tables)] if plan else []
    found += _calls(statistics, reads_whole=bool(found))
    found += _sizes(statistics, plan)
    return found or [*_time(statistics)]


def _scans(statistics: Statistics, plan: Plan, tables: Mapping[Name, Table]) -> Iterator[Advice]:
    """Yield advice on large tables that are read from end to end."""
    for step in steps(plan):
        node = step.node
        name = name_of(node)
        if node["Node Type"] != "Seq Scan" or name is None or name not in tables:
            continue
        table = tables[name]
        stops_early = plan["Total Cost"] < node["Total Cost"] / 2
        if table.rows < LARGE or stops_early:
            continue
        if table.broken:
            yield Advice(
                "an index",
                f"The index {table.broken[0]} was never completed: drop it and create it again.",
            )
        columns = _wanted(step) if node["Plan Rows"] <= table.rows * _FEW else _order(step)
        if columns and columns[0] not in table.indexed:
            yield _index(name, table, columns, _filter_of(node))
        elif columns or _filter_of(node) is None or node["Plan Rows"] > table.rows * _FEW:
            yield _whole(statistics, name, table)
        else:
            yield Advice(
                "an index",
                f"Each call reads {_described(name, table)} from end to end, for "
                f"{_filter_of(node)}: that needs an index on the expression, or another way to ask.",
            )


def _filter_of(node: Plan) -> str | None:
    return without_values(node["Filter"]) if "Filter" in node else None


def _wanted(step: Step) -> list[str]:
    """Return the columns by which a scan picks rows: those with one value first, then a range."""
    node = step.node
    if "Filter" not in node:
        return _order(step)
    # What stands behind the name of a function is no column, but an expression.
    column = rf'(?<![\w.])(\w+\(+)?\(*{_quoted(node["Alias"])}\.(\w+|"[^"]+"){_COMPARED}'
    compared = [found[1:] for found in re.findall(column, node["Filter"]) if not found[0]]
    equal = [name.strip('"') for name, operator in compared if operator == "="]
    ranges = [name.strip('"') for name, operator in compared if operator != "="]
    return list(dict.fromkeys([*equal, *ranges[:1]]))


def _order(step: Step) -> list[str]:
    """Return the columns by which a scan's rows are sorted before the first few are taken."""
    kinds = [node["Node Type"] for node in step.above]
    if "Limit" not in kinds or not set(kinds) <= _BUILDERS or "Filter" in step.node:
        return []
    keys: list[str] = next((node["Sort Key"] for node in step.above if "Sort Key" in node), [])
    column = re.compile(rf'{_quoted(step.node["Alias"])}\.(\w+|"[^"]+")(?: DESC)?$')
    columns = [column.match(key) for key in keys]
    return [found[1].strip('"') for found in columns if found] if all(columns) else []


def _quoted(alias: str) -> str:
    """Return a name as plans write it, for a regular expression."""
    return alias if re.fullmatch(r"[a-z_]\w*", alias) else re.escape(f'"{alias}"')


def _index(name: Name, table: Table, columns: list[str], condition: str | None) -> Advice:
    schema, relation = name
    index = f"ix_{schema}_{relation}_{'_'.join(columns)}"[:63]
    listed = ", ".join(f'"{column}"' for column in columns)
    reason = f"for {condition}" if condition else f"to sort it by {', '.join(columns)}"
    return Advice(
        "an index",
        f"Each call reads {_described(name, table)} from end to end, {reason}. Declare the index in "
        "tables.py, and create it in a migration, outside its transaction so that nobody waits:\n"
        "with op.get_context().autocommit_block():\n"
        f'    op.create_index("{index}", "{relation}", [{listed}], schema="{schema}", '
        "postgresql_concurrently=True)",
    )


def _whole(statistics: Statistics, name: Name, table: Table) -> Advice:
    reads = (
        f"Each call reads {_described(name, table)} from end to end, and no index spares it that"
    )
    if not _only_reads(statistics.statement):
        return Advice("a job", f"{reads}: do it in a job, some rows at a time.")
    if statistics.rows_per_call >= _MANY_ROWS:
        return Advice("pages", f"{reads}: return pages, in the order of an index.")
    return Advice(
        "a cached read",
        f"{reads}: keep the result in a `Cache`, or let a job work it out ahead, into a table.",
    )


def _described(name: Name, table: Table) -> str:
    return f"{name[0]}.{name[1]} (about {round(table.rows):,} rows)"


def _calls(statistics: Statistics, *, reads_whole: bool) -> Iterator[Advice]:
    """Yield advice on a statement that is sent very often."""
    if not _only_reads(statistics.statement):
        return
    each = statistics.calls_per_transaction
    if each >= _REPEATED:
        yield Advice(
            "fewer calls",
            f"It is sent {each:,.0f} times per transaction (N+1): ask for all of them at once, with "
            "`column.in_(ids)` or a join.",
        )
    elif (
        not reads_whole
        and statistics.calls >= _MANY_CALLS
        and statistics.share >= 0.3
        and statistics.rows_per_call < _MANY_ROWS
        and statistics.mean_ms < _WAITING
    ):
        yield Advice(
            "a cached read",
            "Each call is fast; it is the number of calls that takes the time. Where the same is "
            "asked again and again, put a `Cache` before it.",
        )


def _sizes(statistics: Statistics, plan: Plan | None) -> Iterator[Advice]:
    """Yield advice on a statement that returns, or works on, more than fits."""
    if statistics.rows_per_call >= _MANY_ROWS and _only_reads(statistics.statement):
        yield Advice(
            "pages",
            f"It returns {statistics.rows_per_call:,.0f} rows a call: return pages, or let a job "
            "work through them.",
        )
    if statistics.temp_blocks_per_call >= 1:
        sorts = plan is not None and any(s.node["Node Type"] == "Sort" for s in steps(plan))
        size = statistics.temp_blocks_per_call * _BLOCK / 1_000_000
        cure = "an index" if sorts else "a job"
        yield Advice(
            cure,
            f"It writes {size:,.1f} MB of temporary files a call, since work_mem is too small for "
            "what it sorts or joins: take fewer rows or columns, sort in the order of an index, or "
            "do it in a job that may `SET LOCAL work_mem`.",
        )


def _time(statistics: Statistics) -> Iterator[Advice]:
    """Yield advice on a statement that takes long for no other reason."""
    locks = not _only_reads(statistics.statement) or " FOR " in statistics.statement.upper()
    is_small = statistics.blocks_per_call <= _FEW_BLOCKS
    if locks and is_small and statistics.mean_ms >= _WAITING:
        yield Advice(
            "a job",
            f"It touches little and takes {statistics.mean_ms:,.0f} ms: it waits for rows that other "
            "transactions have locked. Make those shorter, and move into a job what need not be in "
            "them. A DELETE may also look for rows that refer to it, in a column without an index.",
        )
    elif statistics.mean_ms >= _SLOW and _only_reads(statistics.statement):
        yield Advice(
            "a cached read",
            f"It takes {statistics.mean_ms:,.0f} ms and finds its rows by an index: keep the result "
            "in a `Cache`, or let a job work it out ahead, into a table.",
        )
    elif statistics.mean_ms >= _SLOW:
        yield Advice("a job", "It writes much at once: do it in a job, some rows at a time.")


def _only_reads(statement: str) -> bool:
    return not re.search(r"^\s*(insert|update|delete|merge)|\bdelete\s+from\b", statement, re.I)
