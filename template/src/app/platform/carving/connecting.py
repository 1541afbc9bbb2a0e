"""Be the one who moves a module's data: both databases, with the lock of the command on each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.platform.carving.ends import check_two, End, Ends, take_lock, UnreachableEndError
from app.platform.carving.settling import check_peers, reopen_alone


@asynccontextmanager
async def connected(ends: Ends, module: str) -> AsyncIterator[Ends]:
    """Be the one who moves a module's data, while the block lasts.

    Raises CarvingError where somebody else is, or these are not the databases that they were before, and
    UnreachableEndError.
    """
    begun: list[End] = []
    try:
        unreachable = None
        for end in (ends.main, ends.own):
            try:
                await end.begin()
            except UnreachableEndError as error:
                unreachable = error
                continue
            begun.append(end)
        if unreachable is None:
            await check_two(ends)
        for end in begun:
            await take_lock(end, module)
        if unreachable is not None:
            for end in begun:
                await reopen_alone(end, module)
            raise unreachable
        await check_peers(ends, module)
        yield ends
    finally:
        for end in begun:
            end.session.terminate()
