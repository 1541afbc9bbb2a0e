"""Compares both sides while one of them takes writes: these wait for a moment, as in a cut."""

from app.platform.carving.ends import Ends
from app.platform.carving.errors import CarvingError
from app.platform.carving.proof import compare, Compared, note_proof, snapshots
from app.platform.carving.settling import reopen, settle
from app.platform.carving.states import State
from app.platform.carving.streams import Say
from app.platform.carving.waiting import alone, arrived, Pause
from app.platform.database import change_gate, Gate


async def prove(ends: Ends, module: str, seconds: float, say: Say) -> list[Compared]:
    """Return each table of both sides, as of one moment. Raises CarvingError where nothing streams."""
    standing, done = await settle(ends, module)
    if done:
        say(done)
    stream = standing.target.subscription
    if standing.state not in (State.MOVED, State.STREAMING) or stream is None:
        raise CarvingError(f"Nothing streams that could be compared: {module} is {standing.state}.")
    source, target = ends.toward(own=not standing.source.is_own)
    async with snapshots(source, target) as (one, other):
        pause = Pause(seconds)
        await source.session.execute(change_gate(module, Gate.CLOSING, was="'open'"))
        try:
            async with alone(source, module, pause):
                await one.take()
                await arrived(source, target, module, pause)
                await other.take()
        finally:
            await reopen(source, module)
        say(f"Writes waited for {pause.taken:.2f} s. Comparing.")
        found = await compare(module, one, other)
    await note_proof(source, module, found)
    return found
