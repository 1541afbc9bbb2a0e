"""Streams of changes from one database to the other: publication, slot, subscription.

Publication and slot are made first: a subscription that makes its own slot waits for ever where both
databases are on one server. Names of tables are listed: to publish a whole schema takes a superuser.
"""

import asyncio
import time
from collections.abc import Callable

import asyncpg

from app.platform.carving.ends import End
from app.platform.carving.errors import CarvingError
from app.platform.carving.facts import ARE_TABLES

_ROOTS = f"""SELECT quote_ident(relname) FROM pg_class WHERE {ARE_TABLES} AND NOT relispartition
    ORDER BY relname"""
"""The tables to list: what belongs to a partitioned one follows from it."""
_LISTED = """SELECT quote_ident(relname) FROM pg_publication
    JOIN pg_publication_rel ON prpubid = pg_publication.oid JOIN pg_class ON pg_class.oid = prrelid
    WHERE pubname = $1"""
_HAS_PUBLICATION = "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = $1)"
_HAS_SLOT = "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)"
_MAKE_SLOT = "SELECT pg_create_logical_replication_slot($1, 'pgoutput')"
_HAS_SUBSCRIPTION = """SELECT oid FROM pg_subscription WHERE subname = $1
    AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_IS_PLAIN = f"""SELECT NOT EXISTS (
    SELECT FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        JOIN pg_type AS of_column ON of_column.oid = atttypid
        JOIN pg_type AS one ON one.oid = CASE of_column.typcategory WHEN 'A' THEN of_column.typelem ELSE atttypid END
    WHERE {ARE_TABLES} AND one.typtype <> 'e' AND (
        one.typnamespace <> 'pg_catalog'::regnamespace OR one.typname LIKE 'reg%'
        OR one.typsend = 0 OR one.typreceive = 0))"""
"""Whether all columns have types of Postgres, or enums, that mean the same in binary in both databases:
what names a table or a role, as regclass does, is a number there that the other one gives to another."""
_WORKER = """SELECT pid FROM pg_stat_subscription WHERE subid = $1 AND relid IS NULL AND pid IS NOT NULL"""
_RELEASE = """SELECT count(pg_terminate_backend(active_pid)) FROM pg_replication_slots
    WHERE slot_name = $1 AND active"""
_SYNC_SLOTS = """SELECT slot_name FROM pg_replication_slots
    WHERE starts_with(slot_name, $1) AND right(slot_name, length($2)) = $2 AND slot_type = 'logical'"""
_SYSTEM = "SELECT '_' || system_identifier FROM pg_control_system()"
_WAITED_FOR = "SELECT pid, datname FROM pg_stat_activity WHERE pid = ANY(pg_blocking_pids($1))"
_TRIES = 100
_LOOK = 1.0

Say = Callable[[str], None]


async def publish(end: End, module: str) -> list[str]:
    """Publish each table of a module; return those that were not yet."""
    name = f"carving_{module}"
    wanted = [each[0] for each in await end.session.fetch(_ROOTS, module)]
    listed = {each[0] for each in await end.session.fetch(_LISTED, name)}
    new = [f'"{module}".{each}' for each in wanted if each not in listed]
    if not await end.session.fetchval(_HAS_PUBLICATION, name):
        tables = f" FOR TABLE {', '.join(new)}" if new else ""
        await end.session.execute(f'CREATE PUBLICATION "{name}"{tables}')
    elif new:
        await end.session.execute(f'ALTER PUBLICATION "{name}" ADD TABLE {", ".join(new)}')
    return new


async def make_slot(end: End, module: str, say: Say, seconds: float | None = None) -> None:
    """Make the slot of the stream that begins here. It waits for all transactions of the server that are
    open and have written, and says for which. Raises CarvingError where they are so long."""
    slot = end.stream_of(module)
    if await end.session.fetchval(_HAS_SLOT, slot):
        return
    pid = await end.session.fetchval("SELECT pg_backend_pid()")
    making = asyncio.create_task(end.session.fetchval(_MAKE_SLOT, slot))
    watcher = await end.connect()
    told, began = "", time.monotonic()
    try:
        while not (await asyncio.wait([making], timeout=_LOOK))[0]:
            who = "; ".join(
                f"pid {each['pid']} in {each['datname']}"
                for each in await watcher.fetch(_WAITED_FOR, pid)
            )
            if who and who != told:
                say(f"Waiting for a transaction of {end.name}'s server to end: {who}.")
                told = who
            if seconds is not None and time.monotonic() - began > seconds:
                raise CarvingError(
                    f"A transaction of {end.name}'s server is open and does not end: {told or 'unknown'}. "
                    "Nothing streams from there before it does."
                )
        await making
    finally:
        watcher.terminate()
        if not making.done():
            making.cancel()
            await asyncio.wait([making])


async def subscribe(
    source: End, target: End, module: str, *, copy: bool, enabled: bool = True
) -> None:
    """Let a stream end in the target; with what is there now, or only with what comes.

    What is there now comes in binary where it can, which spares a quarter of the processors: it is
    for who waits for it to call `send_text` then.
    """
    options = {
        "create_slot": "false",
        "slot_name": f"'{source.stream_of(module)}'",
        "copy_data": str(copy).lower(),
        "enabled": str(enabled).lower(),
        "streaming": "on",
    }
    if target.version >= 16:
        options["origin"] = "none"  # What came from there does not go back.
    if copy and min(source.version, target.version) >= 16:
        is_plain = await source.session.fetchval(_IS_PLAIN, module)
        options["binary"] = str(is_plain).lower()
    given = ", ".join(f"{name} = {value}" for name, value in options.items())
    await target.session.execute(
        f'CREATE SUBSCRIPTION "{source.stream_of(module)}" {_connection(source)} '
        f'PUBLICATION "carving_{module}" WITH ({given})'
    )


async def reconnect(source: End, target: End, module: str) -> None:
    """Let a stream connect as it would if it were made now: a password may have changed."""
    await target.session.execute(
        f'ALTER SUBSCRIPTION "{source.stream_of(module)}" {_connection(source)}'
    )


async def refresh(source: End, target: End, module: str) -> None:
    """Let tables that were published since follow, with what they hold."""
    await target.session.execute(
        f'ALTER SUBSCRIPTION "{source.stream_of(module)}" REFRESH PUBLICATION WITH (copy_data = true)'
    )


async def enable(source: End, target: End, module: str) -> None:
    """Let a stream run."""
    await target.session.execute(f'ALTER SUBSCRIPTION "{source.stream_of(module)}" ENABLE')


async def send_text(source: End, target: End, module: str) -> None:
    """Let a stream bring values as text, which fits a column of which one side has changed the type
    before the other. Return once nobody does otherwise any more."""
    name = source.stream_of(module)
    oid = await target.session.fetchval(_HAS_SUBSCRIPTION, name)
    before = await target.session.fetchval(_WORKER, oid)
    await target.session.execute(f'ALTER SUBSCRIPTION "{name}" SET (binary = false)')
    for _ in range(_TRIES):
        if before is None or await target.session.fetchval(_WORKER, oid) != before:
            return
        await asyncio.sleep(0.05)


async def drop_stream(source: End | None, target: End | None, module: str) -> None:
    """Drop the stream between two databases, or what is left of it, on those that are there.

    The slot is dropped where it stands: so it goes whether the other server is reached or not.
    """
    sync = None
    if target is not None and source is not None:
        sync = await _drop_subscription(target, source.stream_of(module))
    if source is None:
        return
    slots = [source.stream_of(module)]
    if sync is not None:
        slots += [each[0] for each in await source.session.fetch(_SYNC_SLOTS, *sync)]
    for slot in slots:
        await _drop_slot(source, slot)
    await source.session.execute(f'DROP PUBLICATION IF EXISTS "carving_{module}"')


def _connection(source: End) -> str:
    conninfo = source.conninfo().replace("'", "''")
    return f"CONNECTION '{conninfo}'"


async def _drop_subscription(end: End, name: str) -> tuple[str, str] | None:
    """Return how the names of slots begin and end which it had for single tables."""
    oid = await end.session.fetchval(_HAS_SUBSCRIPTION, name)
    if oid is None:
        return None
    system = await end.session.fetchval(_SYSTEM)
    await end.session.execute(f'ALTER SUBSCRIPTION "{name}" DISABLE')
    await end.session.execute(f'ALTER SUBSCRIPTION "{name}" SET (slot_name = NONE)')
    await end.session.execute(f'DROP SUBSCRIPTION "{name}"')
    return f"pg_{oid}_sync_", system


async def _drop_slot(end: End, slot: str) -> None:
    for _ in range(_TRIES):
        if not await end.session.fetchval(_HAS_SLOT, slot):
            return
        try:
            await end.session.fetchval("SELECT pg_drop_replication_slot($1)", slot)
        except asyncpg.ObjectInUseError:
            await end.session.fetchval(_RELEASE, slot)
            await asyncio.sleep(0.05)
        except asyncpg.UndefinedObjectError:
            return
    raise CarvingError(
        f"The slot {slot} of {end.name} is in use, and cannot be dropped: end what uses it, and run "
        f"the command again. SELECT pg_drop_replication_slot('{slot}') drops it by hand."
    )
