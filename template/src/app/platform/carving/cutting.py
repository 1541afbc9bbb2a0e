"""The cut: within two seconds one database stops taking the writes of a module, and the other begins.

Whatever fails within, or is over its time, ends with the source open again. Each step is committed before the
next one relies on it, so a command that is killed leaves what `settling` brings to an end.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import NoReturn

import asyncpg

from app.platform.carving.ends import End, Ends, take_lock
from app.platform.carving.errors import CarvingError
from app.platform.carving.facts import started
from app.platform.carving.keys import Keys
from app.platform.carving.proof import (
    compare,
    Compared,
    differences,
    note_proof,
    Snapshot,
    snapshots,
)
from app.platform.carving.ready import check_ready, check_watched, wait_until_close
from app.platform.carving.sequences import carry_sequences
from app.platform.carving.settling import open_gate, reopen_begun, settle, stand, tidy
from app.platform.carving.streams import make_slot, publish, Say, subscribe
from app.platform.carving.waiting import alone, arrived, Pause, who_is_in_the_way
from app.platform.database import change_gate, fence, Gate, OF_DRIVER, TABLES
from app.platform.telemetry import cause

_HOLD = "LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE"
_TABLES_OF = "SELECT format('%I.%I', '{0}', relname) FROM {1} AND relkind = 'r'"
_ADVANCE = "SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())"
_RECOVER = 30.0
"""Seconds in which what was begun is undone."""
_GUARD = "10s"
_STARTS = 10.0
"""Seconds in which a stream runs again."""


@dataclass(kw_only=True)
class Cut:
    """What a cut is to do, and what it did."""

    module: str
    pause: float = 2.0
    longest_request: float = 60.0
    patience: float = 20.0
    """Seconds to wait, before the pause, for transactions of the other server."""
    with_way_back: bool = True
    proof_first: bool = False
    unwatched: bool = True
    """Whether it goes on where no process would follow."""
    is_opening: bool = False
    """Whether the other side may be open by now, whatever was heard of it."""
    took: float = 0.0
    """Seconds in which writes waited."""
    sequences: int = 0
    keys: int = 0
    compared: list[Compared] = field(default_factory=list)


async def cut(ends: Ends, to_own: bool, wanted: Cut, say: Say) -> Cut:
    """Let the other side take the writes, and compare both. Raises CarvingError: then the source has them
    as before."""
    source, target = ends.toward(own=to_own)
    standing, done = await settle(ends, wanted.module)
    if done:
        say(done)
    if standing.source.is_own is to_own:
        raise CarvingError(
            f"{target.name.capitalize()} takes the writes of {wanted.module} already."
        )
    if (stream := standing.target.subscription) and not stream.runs:
        await started(target, source, wanted.module, _STARTS)
        standing = await stand(ends, wanted.module)
    await check_ready(source, target, standing, with_way_back=wanted.with_way_back)
    if not wanted.unwatched:
        await check_watched(source, target, wanted.module)
    async with AsyncExitStack() as stack:
        shots = await stack.enter_async_context(snapshots(source, target))
        try:
            await _move(source, target, wanted, shots, say)
        except BaseException as error:
            await _give_up(ends, source, wanted, error)
        await tidy(ends, await stand(ends, wanted.module))
        say(f"{target.name.capitalize()} takes the writes, after {wanted.took:.2f} s.")
        if not wanted.proof_first:
            say("Comparing both sides.")
            try:
                wanted.compared = await compare(wanted.module, *shots)
            except Exception as error:
                raise CarvingError(
                    f"{target.name.capitalize()} takes the writes, but both sides could not be compared: "
                    f"{_cause(error)}. `app carve status {wanted.module} --proof` compares them again."
                ) from error
    await note_proof(target, wanted.module, wanted.compared)
    return wanted


async def _move(source: End, target: End, wanted: Cut, shots: list[Snapshot], say: Say) -> None:
    """Prepare what takes its time, then close the source and open the target."""
    module = wanted.module
    if wanted.with_way_back:
        say("Preparing the way back.")
        await publish(target, module)
        await make_slot(target, module, say, wanted.patience)
        await subscribe(target, source, module, copy=False, enabled=False)
    keys = Keys(source, target, module, wanted.longest_request)
    wanted.keys = await keys.carry()
    wanted.keys += await keys.carry()
    await wait_until_close(source, target, module)
    async with _guarded(source, module) as source_guard, _guarded(target, module) as target_guard:
        pause = Pause(wanted.pause)
        await source.session.execute(change_gate(module, Gate.CLOSING, was="'open'"))
        await _close(source, module, pause, source_guard)
        await arrived(source, target, module, pause)
        async with pause.limit("sequences and idempotency keys"):
            wanted.sequences = await carry_sequences(source, target, module)
            wanted.keys += await keys.carry()
            for shot in shots:
                await shot.take()
        if wanted.proof_first:
            async with pause.limit("the proof"):
                wanted.compared = await compare(module, *shots)
            if wrong := differences(wanted.compared):
                raise CarvingError(f"Both sides are not equal: {wrong}.")
        async with pause.limit("the way back"):
            if wanted.with_way_back:
                await target.session.fetchval(_ADVANCE, target.stream_of(module))
            still = await source.session.fetchval(
                "SELECT state FROM carving.gates WHERE module = $1", module
            )
        if still != Gate.CLOSED:
            raise CarvingError(f"{source.name.capitalize()} is not closed any more: it is {still}.")
        await target_guard.close()
        async with pause.limit("opening"):
            wanted.is_opening = True
            await open_gate(target, module, pause.left)
        wanted.took = pause.taken


async def _close(source: End, module: str, pause: Pause, guard: asyncpg.Connection) -> None:
    """Wait for what was begun, then put the fence up and close the gate, in one transaction."""
    async with alone(source, module, pause):
        await guard.close()
        async with source.session.transaction():
            await source.session.execute(f"SET LOCAL lock_timeout = {pause.milliseconds}")
            await source.session.execute(fence(module))
            await source.session.execute(change_gate(module, Gate.CLOSED, was="'closing'"))


@asynccontextmanager
async def _guarded(end: End, module: str) -> AsyncIterator[asyncpg.Connection]:
    """Keep autovacuum from the tables, for which a fence would wait a second, until this is closed."""
    guard = await end.connect()
    try:
        names = [
            each[0] for each in await guard.fetch(_TABLES_OF.format(module, TABLES.format(module)))
        ]
        await guard.execute("BEGIN")
        await guard.execute(f"SET LOCAL lock_timeout = '{_GUARD}'")
        try:
            if names:
                await guard.execute(_HOLD.format(", ".join(names)))
        except asyncpg.LockNotAvailableError as error:
            raise CarvingError(
                f"Nothing was begun: {await who_is_in_the_way(end, module)}, and it would be in the way."
            ) from error
        yield guard
    finally:
        guard.terminate()


async def _give_up(ends: Ends, source: End, wanted: Cut, error: BaseException) -> NoReturn:
    """Undo what was begun. Raises what is told of it.

    While the session lives that has the lock, nobody else has moved anything since: where nothing was
    opened yet, it takes nobody else to open the source again. Otherwise both sides are asked, on new
    sessions, which have the locks when the old ones are surely gone.
    """
    module = wanted.module
    if not wanted.is_opening:
        with suppress(OSError, *OF_DRIVER):
            async with asyncio.timeout(_RECOVER):
                await source.session.execute("ROLLBACK")
                await reopen_begun(source, module)
    for end in (ends.main, ends.own):
        end.session.terminate()
    told = str(error) if isinstance(error, CarvingError) else f"Given up: {_cause(error)}."
    try:
        for end in (ends.main, ends.own):
            await end.begin()
            await take_lock(end, module, wait=_RECOVER)
        standing, _ = await settle(ends, module)
    except CarvingError as second:
        raise CarvingError(f"{told} And then: {second}") from error
    if not isinstance(error, Exception):
        raise error
    what = "The own database" if standing.source.is_own else "The main database"
    raise CarvingError(f"{told} {what} takes the writes.") from error


def _cause(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):  # Of what is done at once on both sides.
        error = error.exceptions[0]
    return cause(error) if isinstance(error, Exception) else "it was to stop"


async def go_back(ends: Ends, to_own: bool, wanted: Cut, say: Say) -> None:
    """Return at once where both sides are not equal, with what was written since."""
    say("Both sides are not equal: going back.")
    back = Cut(module=wanted.module, pause=wanted.pause, longest_request=wanted.longest_request)
    await cut(ends, not to_own, back, say)
