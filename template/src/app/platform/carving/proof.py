"""Proof that both databases have the same rows of a module: a count and a checksum for each table."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal

import asyncpg

from app.platform.carving.ends import End
from app.platform.carving.facts import ARE_TABLES

_ALIKE = """SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL TimeZone = 'UTC'; SET LOCAL IntervalStyle = 'postgres';
    SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL lc_monetary = 'C';
    SET LOCAL xmloption = 'content'; SET LOCAL search_path = ''; SET LOCAL statement_timeout = 0"""
"""What changes how values are written."""
_COLUMNS = f"""SELECT relname, string_agg('t.' || quote_ident(attname), ', ' ORDER BY attname COLLATE "C") AS columns
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    WHERE {ARE_TABLES} AND NOT relispartition
    GROUP BY relname ORDER BY relname"""
_SUM = """SELECT count(*), coalesce(sum(('x' || left(md5(ROW({columns})::text), 16))::bit(64)::bigint::numeric), 0)
    FROM "{schema}"."{table}" AS t"""
_NOTE = """INSERT INTO carving.proofs (module, is_equal, tables, taken) VALUES ($1, $2, $3, now())
    ON CONFLICT (module) DO UPDATE SET is_equal = $2, tables = $3, taken = now()"""
_AT_ONCE = 2
"""Tables that are read at once on each side."""


@dataclass(frozen=True)
class Compared:
    """One table on both sides."""

    table: str
    rows: int | None
    checksum: str | None
    other_rows: int | None
    other_checksum: str | None

    @property
    def is_equal(self) -> bool:
        return (self.rows, self.checksum) == (self.other_rows, self.other_checksum)


@dataclass
class Snapshot:
    """What a database held at one moment, for as long as its session lives."""

    end: End
    session: asyncpg.Connection
    id: str = ""

    async def take(self) -> None:
        """Begin, and hold no lock yet."""
        await self.session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self.id = await self.session.fetchval("SELECT pg_export_snapshot()")

    async def sums(self, module: str) -> dict[str, tuple[int, str]]:
        """Return count and checksum of each table."""
        tables = await self.session.fetch(_COLUMNS, module)
        waiting: asyncio.Queue[asyncpg.Record] = asyncio.Queue()
        for table in tables:
            waiting.put_nowait(table)
        found: dict[str, tuple[int, str]] = {}
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_AT_ONCE, len(tables))):
                group.create_task(self._read(module, waiting, found))
        return found

    async def _read(
        self,
        module: str,
        waiting: "asyncio.Queue[asyncpg.Record]",
        found: dict[str, tuple[int, str]],
    ) -> None:
        session = await self.end.connect()
        try:
            await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await session.execute(f"SET TRANSACTION SNAPSHOT '{self.id}'")
            await session.execute(_ALIKE)
            while not waiting.empty():
                table = waiting.get_nowait()
                name = table["relname"].replace('"', '""')
                query = _SUM.format(columns=table["columns"], schema=module, table=name)
                ((count, checksum),) = await session.fetch(query)
                found[table["relname"]] = count, f"{Decimal(checksum):f}"
        finally:
            session.terminate()


@asynccontextmanager
async def snapshots(*ends: End) -> AsyncIterator[list[Snapshot]]:
    """Connect where snapshots are to be taken; they are gone behind the block."""
    opened: list[Snapshot] = []
    try:
        for end in ends:
            opened.append(Snapshot(end, await end.connect()))
        yield opened
    finally:
        for each in opened:
            each.session.terminate()


async def compare(module: str, one: Snapshot, other: Snapshot) -> list[Compared]:
    """Read both sides at once; return each table, those first that differ."""
    sums, others = await asyncio.gather(one.sums(module), other.sums(module))
    found = [
        Compared(name, *sums.get(name, (None, None)), *others.get(name, (None, None)))
        for name in sorted(sums.keys() | others.keys())
    ]
    return sorted(found, key=lambda each: each.is_equal)


async def note_proof(end: End, module: str, found: Sequence[Compared]) -> None:
    """Keep what was found where it was found."""
    tables = json.dumps([asdict(each) for each in found])
    await end.session.execute(_NOTE, module, all(each.is_equal for each in found), tables)


async def noted_proof(end: End, module: str) -> asyncpg.Record | None:
    """Return what was found last, if anybody looked."""
    if await end.session.fetchval("SELECT to_regclass('carving.proofs') IS NULL"):
        return None
    return await end.session.fetchrow(
        "SELECT is_equal, tables, taken FROM carving.proofs WHERE module = $1", module
    )


def differences(found: Sequence[Compared]) -> str:
    """Return which tables differ, and by what."""
    return "; ".join(
        f"{each.table}: {_number(each.rows)} here, {_number(each.other_rows)} there"
        + (", checksums differ" if each.rows == each.other_rows else "")
        for each in found
        if not each.is_equal
    )


def _number(rows: int | None) -> str:
    return "no table" if rows is None else f"{rows:,} rows"
