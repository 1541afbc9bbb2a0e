"""What is slow about a statement, and which cure fits: an index, a cached read, a job, …"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.platform.query_stats.plans import Name, Plan, steps, Table
from app.platform.query_stats.scans import find_scans, Scan

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
_WRITES = re.compile(
    r"""^\s*(insert|update|delete|merge)\b
    | \b(insert\s+into|delete\s+from|merge\s+into)\b  # Below a WITH, as the next.
    | (?<!\bfor\s)(?<!\bkey\s)\bupdate\s+["\w]""",  # Not FOR UPDATE, FOR NO KEY UPDATE.
    re.IGNORECASE | re.VERBOSE,
)


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
    of_platform: bool = False
    """Whether the platform sends it, as often as it does: nobody's module can change that."""


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
    for scan in find_scans(plan, tables):
        reads = f"Each call reads {_described(scan)} from end to end"
        if scan.reason is None:
            yield _whole(statistics, reads)
            continue
        columns = [each for each in scan.indexes if each]
        lacking = [each for each in columns if each[0] not in scan.table.indexed]
        for each in lacking:
            yield _index(scan, each, f"{reads}, {scan.reason}.")
        if not columns:
            remedy = "that takes an index made for it (partial, on an expression, or of trigrams)"
            yield Advice("an index", f"{reads}, {scan.reason}: {remedy}, or another question.")
        elif not lacking:
            yield Advice(
                "an index",
                f"{reads}, {scan.reason}, although an index begins with {columns[0][0]}: ask without a "
                "cast, for a value of its own type. If it is new, let Postgres ANALYZE the table.",
            )


def _index(scan: Scan, columns: list[str], why: str) -> Advice:
    schema, table = scan.name
    # As the names of `database.NAMING`, cut off where Postgres would.
    index = "_".join(["ix", *(f"{schema}_{table}_{column}" for column in columns)])[:63]
    listed = ", ".join(f'"{column}"' for column in columns)
    broken = ", ".join(scan.table.broken)
    drop = f" First drop {broken}: creating it failed, and left it invalid." if broken else ""
    return Advice(
        "an index",
        f'{why}{drop} Declare `Index("{index}", {listed})` in tables.py, and create it in a '
        "migration, outside its transaction, so that nobody waits:\n"
        "with op.get_context().autocommit_block():\n"
        f'    op.create_index("{index}", "{table}", [{listed}], schema="{schema}", '
        "postgresql_concurrently=True)",
    )


def _whole(statistics: Statistics, reads: str) -> Advice:
    reads = f"{reads}, and no index would spare it that"
    if not _only_reads(statistics.statement):
        return Advice("a job", f"{reads}: do it in a job, some rows at a time.")
    if statistics.rows_per_call >= _MANY_ROWS:
        return Advice("pages", f"{reads}: return pages, in the order of an index.")
    return Advice(
        "a cached read",
        f"{reads}: keep the result in a `Cache`, or let a job work it out ahead, into a table.",
    )


def _described(scan: Scan) -> str:
    return f"{'.'.join(scan.name)} (about {round(scan.table.rows):,} rows)"


def _calls(statistics: Statistics, *, reads_whole: bool) -> Iterator[Advice]:
    """Yield advice on a statement that is sent very often."""
    if statistics.of_platform or not _only_reads(statistics.statement):
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
    return not _WRITES.search(statement)
