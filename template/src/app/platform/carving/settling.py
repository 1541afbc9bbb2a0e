"""Brings a cut that was killed to one of its ends, and drops what it has left behind.

Where the target is open, it is done, and what is left to do is done. Where both are closed, or one is
closing, the source is opened again: that takes one transaction, and nothing of the other server.
"""

import asyncio

import asyncpg

from app.platform.carving.ends import End, Ends
from app.platform.carving.errors import CarvingError
from app.platform.carving.facts import read_facts
from app.platform.carving.states import Standing, State
from app.platform.carving.streams import drop_stream, enable, send_text
from app.platform.database import change_gate, clear_fence, Gate, HAS_GATES, INSTALL, lift_fence

_CREATE_GATE = """INSERT INTO carving.gates (module, state, is_own, peer) VALUES ($1, $2, $3, $4)
    ON CONFLICT (module) DO UPDATE SET peer = $4"""
_PEER = "SELECT peer FROM carving.gates WHERE module = $1"
_GATE = "SELECT state FROM carving.gates WHERE module = $1"
_TRIES = 30
_LOCK = "2s"


async def stand(ends: Ends, module: str) -> Standing:
    """Return how things are."""
    main = await read_facts(ends.main, ends.own, module)
    return Standing(module, main, await read_facts(ends.own, ends.main, module))


async def settle(ends: Ends, module: str) -> tuple[Standing, str | None]:
    """Bring what was begun to an end; return how things are then, and what was done, if anything.

    Raises CarvingError where both sides are open.
    """
    standing, done = await stand(ends, module), None
    if standing.state is State.SPLIT:
        raise CarvingError(
            f"Both databases take writes of {module}. No command has done that, so none can tell which "
            "side counts: stop the service, and see docs/carving-data.md."
        )
    if standing.state is State.UNKNOWN:
        raise CarvingError(
            f"Neither database takes writes of {module}, and no cut is under way: is one of them not the one "
            "that it was? OWN_MIGRATION_DATABASE_URL is to name the one to which the data have moved."
        )
    if standing.state is State.CUTTING:
        source = ends.own if standing.source.is_own else ends.main
        await reopen(source, module)
        done = f"A cut was under way. {source.name.capitalize()} takes the writes again."
    standing = await stand(ends, module)
    if standing.open is not None and standing.open.gate is not None:
        await tidy(ends, standing)
        standing = await stand(ends, module)
    return standing, done


async def reopen(source: End, module: str) -> None:
    """Open the source again. Nothing was written to the target: it is closed."""
    for attempt in range(_TRIES):
        try:
            async with source.session.transaction():
                await source.session.execute(f"SET LOCAL lock_timeout = '{_LOCK}'")
                await source.session.execute(lift_fence(module))
                await source.session.execute(
                    change_gate(module, Gate.OPEN, was="'closing', 'closed'")
                )
            return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if attempt == _TRIES - 1:
                raise
            await asyncio.sleep(0.2)


async def reopen_begun(source: End, module: str) -> None:
    """Open the source again if it is closing or closed, on the session that has done that."""
    if await source.session.fetchval(_GATE, module) in (Gate.CLOSING, Gate.CLOSED):
        await reopen(source, module)


async def open_gate(end: End, module: str, seconds: float) -> None:
    """Open a side that was closed: after the other one's `closed`, and its fence, are committed."""
    async with end.session.transaction():
        await end.session.execute(f"SET LOCAL lock_timeout = {max(round(seconds * 1000), 1)}")
        await end.session.execute(lift_fence(module))
        await end.session.execute("DELETE FROM carving.proofs WHERE module = $1", module)
        await end.session.execute(change_gate(module, Gate.OPEN, was="'closed'"))


async def make_gate(end: End, other: End, module: str, gate: Gate) -> None:
    """Note which side is open where nobody has noted it yet, and what the other one is."""
    await end.session.execute(INSTALL)
    peer = await other.identity()
    await end.session.execute(_CREATE_GATE, module, gate, end.is_own, peer)


async def check_peers(ends: Ends, module: str) -> None:
    """Raise CarvingError where these are not the two databases between which the data are moved."""
    for end, other in ((ends.main, ends.own), (ends.own, ends.main)):
        if not await end.session.fetchval(HAS_GATES):
            continue
        peer = await end.session.fetchval(_PEER, module)
        if peer is not None and peer != await other.identity():
            raise CarvingError(
                f"{end.name.capitalize()} knows another database as the other side of {module} than "
                f"{other.name}, which this is: are the URLs right? If you have put it on another server, with "
                f"all it has: UPDATE carving.gates SET peer = NULL WHERE module = '{module}';"
            )


async def reopen_alone(source: End, module: str) -> None:
    """Open a side that was closing when the other one cannot be asked: that one is not open, since this
    one was never closed."""
    if not await source.session.fetchval(HAS_GATES):
        return
    if await source.session.fetchval(_GATE, module) == Gate.CLOSING:
        await reopen(source, module)


async def tidy(ends: Ends, standing: Standing) -> None:
    """Let only the stream run that leads from the open side to the other, and drop disabled triggers."""
    module = standing.module
    source, target = ends.toward(own=not standing.source.is_own)
    if standing.source.subscription is not None or standing.target.slot is not None:
        await drop_stream(target, source, module)
    if standing.target.subscription is not None and not standing.target.subscription.enabled:
        await enable(source, target, module)
    if (stream := standing.target.subscription) and stream.binary and stream.is_complete:
        await send_text(source, target, module)
    try:
        async with source.session.transaction():
            await source.session.execute("SET LOCAL lock_timeout = '200ms'")
            await source.session.execute(clear_fence(module))
    except asyncpg.LockNotAvailableError:
        pass  # Somebody reads. Disabled, they do no harm.
