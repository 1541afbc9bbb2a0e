"""What Postgres would do for a statement, whatever its values: asked without running it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from app.platform.telemetry import without_values

Plan = dict[str, Any]
Name = tuple[str, str]
"""A schema and a table."""

_TYPED = re.compile(r"\b(interval|date|time|timestamp|timestamptz)\s+(\$\d+)", re.IGNORECASE)
"""`interval '1 day'` is kept as `interval $1`, which is no SQL."""
_TABLES = """
    SELECT n.nspname, c.relname,
        CASE WHEN c.reltuples < 0 THEN pg_relation_size(c.oid) / 100 ELSE c.reltuples END AS rows,
        ARRAY(
            SELECT a.attname::text FROM pg_index i JOIN pg_attribute a
            ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL
        ) AS indexed,
        ARRAY(
            SELECT i.indexrelid::regclass::text FROM pg_index i
            WHERE i.indrelid = c.oid AND NOT i.indisvalid
        ) AS broken
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest($1::name[], $2::name[]))"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that a plan reads."""

    rows: float
    """About how many it has."""
    indexed: frozenset[str]
    """Columns with which an index begins."""
    broken: tuple[str, ...] = ()
    """Indexes that could not be completed."""


@dataclass(frozen=True, slots=True)
class Step:
    """A node of a plan, and those that it works for, the nearest first."""

    node: Plan
    above: tuple[Plan, ...]


async def explain(connection: Any, statement: str) -> Plan | None:
    """Return the generic plan of a statement; None where Postgres cannot make one of its text.

    The caller has opened a transaction under the role that sends the statement. Afterwards it can
    only be undone.
    """
    try:
        # In a message that may hold one command only; the values that it wants are found out so.
        await connection.fetch("PREPARE slow AS " + _TYPED.sub(r"\2::\1", statement))
        try:
            async with connection.transaction():  # A savepoint: what comes last works in any case.
                wanted = await connection.fetchval(
                    "SELECT cardinality(parameter_types) FROM pg_prepared_statements "
                    "WHERE name = 'slow'"
                )
                await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
                values = f"({', '.join(['NULL'] * wanted)})" if wanted else ""
                asked = f"EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE slow{values}"
                [explained] = json.loads(await connection.fetchval(asked))
        finally:
            await connection.execute("DEALLOCATE ALL")
    except asyncpg.PostgresError:
        return None
    plan: Plan = explained["Plan"]
    return plan


def steps(plan: Plan, above: tuple[Plan, ...] = ()) -> Iterator[Step]:
    """Yield each node of a plan, from the top."""
    yield Step(plan, above)
    for below in plan.get("Plans", ()):
        yield from steps(below, (plan, *above))


async def tables_of(connection: Any, plan: Plan) -> Mapping[Name, Table]:
    """Return what there is to know about the tables that a plan reads."""
    names = {name for step in steps(plan) if (name := name_of(step.node))}
    rows = await connection.fetch(_TABLES, *map(list, zip(*names, strict=True))) if names else ()
    return {
        (row["nspname"], row["relname"]): Table(
            row["rows"], frozenset(row["indexed"]), tuple(row["broken"])
        )
        for row in rows
    }


def name_of(node: Plan) -> Name | None:
    """Return the table that a node reads, if it is one that does."""
    return (node["Schema"], node["Relation Name"]) if "Relation Name" in node else None


def render(plan: Plan) -> str:
    """Return a plan to be read: a step a line, what it works for above it."""
    return "\n".join("  " * len(step.above) + _line(step.node) for step in steps(plan))


def _line(node: Plan) -> str:
    what: str = node["Node Type"]
    if node.get("Operation"):
        what = node["Operation"]
    if "Index Name" in node:
        what += f" by {node['Index Name']}"
    if name := name_of(node):
        what += f" on {name[0]}.{name[1]}"
    conditions = [
        f"{label.lower()} {without_values(node[label])}"
        for label in ("Index Cond", "Hash Cond", "Filter", "Join Filter")
        if label in node
    ]
    if "Sort Key" in node:
        conditions.append(f"by {', '.join(map(without_values, node['Sort Key']))}")
    rows = f"{node['Plan Rows']:,} row{'s' if node['Plan Rows'] != 1 else ''}"
    return "; ".join([f"{what}, about {rows}", *conditions])
