"""What stands in one of the two databases: gate, tables, fence, publication, slot and subscription."""

import asyncio
import time
from dataclasses import dataclass, field

import asyncpg

from app.platform.carving.ends import End
from app.platform.database import Gate, HAS_FENCE, HAS_GATES, READ_GATE, TABLES

ARE_TABLES = """relnamespace = to_regnamespace(quote_ident($1)) AND relkind IN ('r', 'p')
    AND relname <> 'alembic_version'"""
"""What is so in pg_class of the tables of a module, $1, that hold data."""
_PUBLISHED = """SELECT relname FROM pg_publication LEFT JOIN pg_publication_rel ON prpubid = pg_publication.oid
    LEFT JOIN pg_class ON pg_class.oid = prrelid WHERE pubname = $1"""
_SLOT = """SELECT active, active_pid, wal_status, safe_wal_size, confirmed_flush_lsn IS NOT NULL AS ready,
        pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint AS behind,
        pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint AS kept
    FROM pg_replication_slots WHERE slot_name = $1"""
_SUBSCRIPTION = """SELECT pg_subscription.oid, subenabled, subbinary,
        apply_error_count + sync_error_count AS failed,
        EXISTS (SELECT FROM pg_stat_subscription AS worker
            WHERE worker.subid = pg_subscription.oid AND pid IS NOT NULL AND relid IS NULL) AS runs
    FROM pg_subscription LEFT JOIN pg_stat_subscription_stats AS stats ON stats.subid = pg_subscription.oid
    WHERE pg_subscription.subname = $1
        AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_STREAMED = """SELECT relname, srsubstate::text AS state FROM pg_subscription_rel
    JOIN pg_class ON pg_class.oid = srrelid WHERE srsubid = $1"""

_LOOK = 0.1


@dataclass(frozen=True)
class Slot:
    """Where the stream that begins here is, and what Postgres keeps for it."""

    active: bool
    pid: int | None
    wal_status: str | None
    safe_wal_size: int | None
    behind: int
    kept: int

    @property
    def is_lost(self) -> bool:
        """Whether Postgres has thrown away what it should have sent."""
        return self.wal_status == "lost"


@dataclass(frozen=True)
class Subscription:
    """The stream that ends here."""

    oid: int
    enabled: bool
    runs: bool
    failed: int
    """How often it failed; it tries again every five seconds."""
    tables: dict[str, str]
    """The state of each table: `r` is one that has all."""
    binary: bool = False
    """Whether values come as Postgres has them in memory, and not as text."""

    @property
    def is_complete(self) -> bool:
        return set(self.tables.values()) <= {"r"}


@dataclass(frozen=True)
class Facts:
    """One side."""

    gate: Gate | None
    is_own: bool
    tables: dict[str, bool] = field(default_factory=dict)
    """The module's tables, partitions included, and whether each has the fence."""
    published: frozenset[str] | None = None
    """The tables of the publication; None where there is none."""
    slot: Slot | None = None
    subscription: Subscription | None = None

    @property
    def is_open(self) -> bool:
        """Whether this side may be written: the main one is, where nothing says otherwise."""
        if self.gate is None:
            return not self.is_own
        return self.gate in (Gate.OPEN, Gate.CLOSING)

    @property
    def is_fenced(self) -> bool:
        return all(self.tables.values())

    @property
    def has_fence(self) -> bool:
        return any(self.tables.values())


async def read_facts(end: End, other: End, module: str) -> Facts:
    """Return what stands on one side."""
    session = end.session
    row = None
    if await session.fetchval(HAS_GATES):
        row = await session.fetchrow(READ_GATE, module)
    tables = await session.fetch(
        f"SELECT relname, {HAS_FENCE} AS fenced FROM {TABLES.format(module)}"
    )
    published = await session.fetch(_PUBLISHED, f"carving_{module}")
    slot = await session.fetchrow(_SLOT, end.stream_of(module))
    subscription = await session.fetchrow(_SUBSCRIPTION, other.stream_of(module))
    return Facts(
        gate=Gate(row["state"]) if row else None,
        is_own=end.is_own,
        tables={each["relname"]: each["fenced"] for each in tables},
        published=frozenset(each["relname"] for each in published if each["relname"])
        if published
        else None,
        slot=_slot(slot),
        subscription=await _subscription(session, subscription),
    )


async def started(target: End, source: End, module: str, seconds: float) -> bool:
    """Say whether a stream runs, or does after a while: Postgres starts it again, after five seconds."""
    until = time.monotonic() + seconds
    while True:
        stream = (await read_facts(target, source, module)).subscription
        if stream is None or stream.runs or time.monotonic() > until:
            return stream is not None and stream.runs
        await asyncio.sleep(_LOOK)


def _slot(row: asyncpg.Record | None) -> Slot | None:
    if row is None:
        return None
    return Slot(
        active=row["active"],
        pid=row["active_pid"],
        wal_status=row["wal_status"],
        safe_wal_size=row["safe_wal_size"],
        behind=row["behind"] or 0,
        kept=row["kept"] or 0,
    )


async def _subscription(
    session: asyncpg.Connection, row: asyncpg.Record | None
) -> Subscription | None:
    if row is None:
        return None
    tables = await session.fetch(_STREAMED, row["oid"])
    return Subscription(
        oid=row["oid"],
        enabled=row["subenabled"],
        runs=row["runs"],
        failed=row["failed"] or 0,
        tables={each["relname"]: each["state"] for each in tables},
        binary=row["subbinary"],
    )
