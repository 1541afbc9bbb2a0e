"""The copy: tables of the own database, made by our own migrations, and a stream that fills them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import asyncpg

from app.platform.carving.ends import End, Ends
from app.platform.carving.errors import CarvingError
from app.platform.carving.facts import read_facts, started
from app.platform.carving.ready import check_queue_is_left, check_same_tables
from app.platform.carving.settling import make_gate, settle, stand
from app.platform.carving.states import faults, State
from app.platform.carving.streams import (
    drop_stream,
    enable,
    make_slot,
    publish,
    reconnect,
    refresh,
    Say,
    send_text,
    subscribe,
)
from app.platform.database import change_gate, fence, Gate, lift_fence, TABLES

_PROGRESS = """SELECT pg_class.relname AS name, srsubstate::text AS state, coalesce(tuples_processed, 0) AS rows
    FROM pg_subscription JOIN pg_subscription_rel ON srsubid = pg_subscription.oid
    JOIN pg_class ON pg_class.oid = srrelid
    LEFT JOIN pg_stat_progress_copy AS copy ON copy.relid = srrelid
        AND datid = subdbid
    WHERE subname = $1 AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY relname"""
_ROWS = """SELECT relname AS name, greatest(reltuples, 0)::bigint AS rows FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind = 'r'"""
_LOOK = 0.2
_STARTS = 30.0
"""Seconds in which a stream runs."""


@dataclass(frozen=True)
class TableCopy:
    """How far the copy of a table is."""

    name: str
    state: str
    rows: int
    """What has come so far, while it comes."""
    estimate: int
    """What it is said to have, in the source."""

    @property
    def is_done(self) -> bool:
        return self.state == "r"


async def begin_copy(
    ends: Ends, to_own: bool, module: str, migrate: Callable[[], Awaitable[object]], say: Say
) -> None:
    """Begin the copy, or go on with one: make what is missing. Raises CarvingError.

    `migrate` makes the tables in the target.
    """
    source, target = ends.toward(own=to_own)
    standing, done = await settle(ends, module)
    if done:
        say(done)
    if standing.source.is_own is to_own:
        raise CarvingError(
            f"{target.name.capitalize()} takes the writes of {module}, so nothing is copied there. "
            f"`app carve status {module}` says where things are."
        )
    if standing.target.subscription is not None and standing.source.published is None:
        # What was written since was not sent, whether there is one again or not.
        raise CarvingError(" ".join(each.what for each in faults(standing)))
    await make_gate(ends.main, ends.own, module, Gate.OPEN)
    if standing.target.gate is Gate.AWAY:
        await target.session.execute(change_gate(module, Gate.CLOSED, was="'away'"))
    await migrate()
    await make_gate(target, source, module, Gate.CLOSED)
    await target.session.execute(fence(module))
    await check_same_tables(source, target, module)
    new = await publish(source, module)
    standing = await stand(ends, module)
    stream = standing.target.subscription
    if stream is not None and (standing.source.slot is None or standing.source.slot.is_lost):
        raise CarvingError(" ".join(each.what for each in faults(standing)))
    if stream is None:
        if (
            standing.source.slot is not None
        ):  # Of a copy that was killed; it may have run out meanwhile.
            await drop_stream(source, target, module)
            await publish(source, module)
        await make_slot(source, module, say)
        await _empty(target, module)
        await subscribe(source, target, module, copy=True)
    else:
        await reconnect(source, target, module)
        if not stream.enabled:
            await enable(source, target, module)
        if new or standing.source.tables.keys() - stream.tables.keys():
            if stream.binary:  # Of the types of tables that were there when it began.
                await send_text(source, target, module)
            await refresh(source, target, module)


async def watch_copy(source: End, target: End, module: str) -> AsyncIterator[list[TableCopy]]:
    """Yield how far each table is, until all are done and the stream runs. Raises CarvingError where it does
    not go on."""
    failed = None
    while True:
        found = await copies(source, target, module)
        yield found
        facts = await read_facts(target, source, module)
        if facts.subscription is None:
            raise CarvingError(f"The copy of {module} was undone meanwhile.")
        if found and all(each.is_done for each in found):
            break
        failed = facts.subscription.failed if failed is None else failed
        if facts.subscription.failed - failed >= 3:
            raise CarvingError(
                f"The copy fails again and again in {target.name}: its server's log says why (a full disk, "
                f"a row that does not fit). It goes on by itself when that is mended; `app carve stop "
                f"{module}` undoes it."
            )
        await asyncio.sleep(_LOOK)
    if facts.subscription.binary:
        await send_text(source, target, module)
    if not await started(target, source, module, _STARTS):
        raise CarvingError(
            f"All is copied, but the stream does not run in {target.name}: its server's log says why."
        )


async def copies(source: End, target: End, module: str) -> list[TableCopy]:
    """Return how far the copy of each table is."""
    rows = {each["name"]: each["rows"] for each in await source.session.fetch(_ROWS, module)}
    found = await target.session.fetch(_PROGRESS, source.stream_of(module))
    return [
        TableCopy(each["name"], each["state"], each["rows"], rows.get(each["name"], 0))
        for each in found
    ]


async def stop(ends: Ends, to_own: bool, module: str, say: Say) -> None:
    """Undo a copy: the stream, and the tables of the target, which takes no writes. Raises CarvingError."""
    source, target = ends.toward(own=to_own)
    standing, done = await settle(ends, module)
    if done:
        say(done)
    home = "" if to_own else " --home"
    if standing.source.is_own is to_own:
        raise CarvingError(
            f"{target.name.capitalize()} takes the writes of {module}: `app carve "
            f"{'back' if to_own else 'cut'} {module}` lets the other one do so."
        )
    if standing.state is State.MOVED:
        raise CarvingError(
            f"{module} has moved, and the main database follows, which is the way back: `app carve confirm "
            f"{module}` ends that, `app carve back {module}` goes it. `stop{home}` is for a copy that is "
            "not complete."
        )
    await check_queue_is_left(target, module)
    await drop_stream(source, target, module)
    await drop_tables(target, module)
    say(f"{target.name.capitalize()} has nothing of {module} any more.")


async def drop_tables(end: End, module: str) -> None:
    """Drop the module's schema where it is closed, and note that it is away; roles stay."""
    async with end.session.transaction():
        gate = await end.session.fetchval(
            "SELECT state FROM carving.gates WHERE module = $1 FOR UPDATE", module
        )
        if gate not in (Gate.CLOSED, Gate.AWAY):
            raise CarvingError(
                f"{end.name.capitalize()} is not closed for {module}: nothing is dropped."
            )
        await end.session.execute(f'DROP SCHEMA IF EXISTS "{module}" CASCADE')
        if end.is_own:
            await end.session.execute("DELETE FROM carving.gates WHERE module = $1", module)
        else:
            await end.session.execute(change_gate(module, Gate.AWAY, was="'closed', 'away'"))
        await end.session.execute("DELETE FROM carving.proofs WHERE module = $1", module)


async def _empty(target: End, module: str) -> None:
    """Delete what migrations, or an earlier copy, have left in the target: it all comes from the source."""
    tables = await target.session.fetch(
        f"SELECT format('%I.%I', '{module}', relname) FROM {TABLES.format(module)} AND NOT relispartition"
    )
    if not tables:
        return
    async with target.session.transaction():
        gate = await target.session.fetchval(
            "SELECT state FROM carving.gates WHERE module = $1 FOR UPDATE", module
        )
        if gate != Gate.CLOSED:
            raise CarvingError(
                f"{target.name.capitalize()} is not closed for {module}: it is not emptied."
            )
        await target.session.execute(lift_fence(module))
        try:
            await target.session.execute(f"TRUNCATE {', '.join(each[0] for each in tables)}")
        except asyncpg.FeatureNotSupportedError as error:
            raise CarvingError(
                f"Tables outside {module} refer to its tables in {target.name}: {error}. Drop those keys."
            ) from error
        await target.session.execute(fence(module))
