"""What must be so before a cut: everything has arrived, and both sides have the same tables."""

import asyncio
import time

import asyncpg

from app.platform.carving.ends import End
from app.platform.carving.errors import CarvingError
from app.platform.carving.facts import ARE_TABLES
from app.platform.carving.states import faults, Standing
from app.platform.database import lock_of
from app.platform.migrations import TURN

_COLUMNS = f"""SELECT relname || '.' || attname AS name,
        format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END
            || CASE WHEN attgenerated <> '' THEN ' generated' ELSE '' END AS kind
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    WHERE {ARE_TABLES}"""
_SEQUENCES = """SELECT relname AS name, 'a sequence' AS kind FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind = 'S'"""
_BEHIND = """SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint
    FROM pg_replication_slots WHERE slot_name = $1"""
_WATCHES = """SELECT EXISTS (SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND mode = 'ShareLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid::bigint = $1::bigint & 4294967295 AND objid::bigint = $2::bigint & 4294967295)"""
_WATCHED = 10.0
"""Seconds in which a process comes back to a side that was closed, or away."""
_HAS_QUEUE = "SELECT to_regclass('queue.pgqueuer') IS NOT NULL"
_JOBS = "SELECT count(*) FROM queue.pgqueuer"
_CARRIED = 10.0
"""Seconds in which a worker has carried what was left in a queue."""
_CLOSE = 1_000_000
"""Bytes of WAL that are applied in no time."""
_PATIENCE = 60.0


async def check_ready(source: End, target: End, standing: Standing, *, with_way_back: bool) -> None:
    """Raise CarvingError, and change nothing, where a cut would not come to an end."""
    module = standing.module
    stream = standing.target.subscription
    home = "" if target.is_own else " --home"
    copy = f"`app carve copy {module}{home}`"
    if stream is None:
        raise CarvingError(f"Nothing is copied to {target.name} yet: {copy} does so.")
    if not stream.is_complete:
        left = sorted(name for name, state in stream.tables.items() if state != "r")
        raise CarvingError(f"{', '.join(left)} are still being copied: {copy} waits for it.")
    if wrong := [each.what for each in faults(standing) if each.blocks]:
        raise CarvingError(" ".join(wrong))
    for end in (source, target):
        if not await end.session.fetchval("SELECT pg_try_advisory_lock($1)", TURN):
            raise CarvingError(f"`app migrate` runs on {end.name}: let it end first.")
    await check_same_tables(source, target, module)
    if with_way_back and source.version < 16:
        is_superuser = await source.session.fetchval(
            "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        )
        if not is_superuser:
            raise CarvingError(
                f"{source.name.capitalize()} runs PostgreSQL {source.version}, where it takes a superuser to "
                "follow another database: there is no way back without one. `--without-way-back` goes "
                "nevertheless."
            )


async def check_same_tables(source: End, target: End, module: str) -> None:
    """Raise CarvingError where columns or sequences differ: a migration was applied to one side only."""
    sides = []
    for end in (source, target):
        rows: list[asyncpg.Record] = await end.session.fetch(_COLUMNS, module)
        rows += await end.session.fetch(_SEQUENCES, module)
        sides.append({each["name"]: each["kind"] for each in rows})
    names = sides[0].keys() | sides[1].keys()
    if different := sorted(name for name in names if sides[0].get(name) != sides[1].get(name)):
        raise CarvingError(
            f"The tables of {module} differ on both sides: {', '.join(different[:5])}. Run `app migrate` "
            "and `app migrate --own`, of the same release."
        )


async def check_watched(source: End, target: End, module: str) -> None:
    """Raise CarvingError where no process would follow a cut: each that works here would be refused."""
    until = time.monotonic() + _WATCHED
    while not await source.session.fetchval(_WATCHES, *lock_of(module)):
        if time.monotonic() > until:
            raise CarvingError(
                f"No process of {module} watches {source.name}, so none would follow to {target.name}: do "
                "they run, with OWN_DATABASE_URL? `--unwatched` cuts nevertheless."
            )
        await asyncio.sleep(0.1)


async def check_queue_is_left(end: End, module: str) -> None:
    """Raise CarvingError where jobs are left in the own database, with which they would be gone."""
    if not end.is_own or not await end.session.fetchval(_HAS_QUEUE):
        return
    until = time.monotonic() + _CARRIED
    while left := await end.session.fetchval(_JOBS):
        if time.monotonic() > until:
            raise CarvingError(
                f"{left} jobs are left in the queue of {end.name}, and nothing was dropped: {module}'s "
                "worker carries them to the main database, so see that it runs, with OWN_DATABASE_URL; "
                "then run the command again."
            )
        await asyncio.sleep(0.2)


async def wait_until_close(source: End, target: End, module: str) -> None:
    """Wait until the target is nearly up to date. Raises CarvingError where it does not become so."""
    until = time.monotonic() + _PATIENCE
    while True:
        behind = await source.session.fetchval(_BEHIND, source.stream_of(module))
        if behind is not None and behind < _CLOSE:
            return
        if time.monotonic() > until:
            raise CarvingError(
                f"{target.name.capitalize()} is {behind or 0:,} bytes of WAL behind, and does not catch up. "
                "Cut when there is less to do, or give it more."
            )
        await asyncio.sleep(0.1)
