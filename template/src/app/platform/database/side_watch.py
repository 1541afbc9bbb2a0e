"""Finds the open side of a module, and follows when its data move.

The process keeps a session on the open side, which holds the module's advisory lock, shared. Where the
gate is no longer open, nothing more begins here; once what had begun has ended, the lock is let go, and
the side looked for that opens. A process that has lost its session goes on as it was: if the data move
meanwhile, what it writes is refused.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import asyncpg

from app.platform.database.credentials import connect_straight
from app.platform.database.errors import ClosedError, OF_DRIVER, sqlstate_of, UnreachableError
from app.platform.database.gates import CHANNEL, FENCED, Gate, HAS_GATES, lock_of, READ_GATE
from app.platform.database.sides import HeldError, Side, Sides
from app.platform.telemetry import cause
from app.platform.timeouts import CONNECT

logger = logging.getLogger("app.sides")

_POLL = 1.0
"""Seconds after which a gate is looked at although nobody told of it."""
_SOON = 0.1
"""Seconds after which it is looked again while no side is open, or something has to end."""
_DRAIN = 0.01
_BY_DEFAULT = {Side.MAIN: Gate.OPEN, Side.OWN: Gate.CLOSED}
"""What holds where a database says nothing of the module."""
_WRITABLE = (Gate.OPEN, Gate.CLOSING)
_UNREACHABLE = (OSError, *OF_DRIVER)
_NAMES = {Side.MAIN: "the main database", Side.OWN: "its own database"}


class SidesError(Exception):
    """No side of a module is open. The message says why, and what to do."""


class _Session:
    """A connection to one side, which hears when a gate changes. It holds the lock as long as it lives."""

    def __init__(self, sides: Sides, side: Side, heard: asyncio.Event) -> None:
        self._sides, self._side, self._heard = sides, side, heard
        self._connection: asyncpg.Connection | None = None
        self._has_gates = False

    async def connect(self) -> None:
        """Connect, unless it is."""
        if self._connection is None or self._connection.is_closed():
            url, about = self._sides.urls[self._side], {"application_name": "app sides"}
            self._connection = await connect_straight(
                url, command_timeout=CONNECT, server_settings=about
            )
            self._connection.add_termination_listener(lambda _: self._heard.set())
            await self._connection.add_listener(CHANNEL, lambda *_: self._heard.set())

    async def gate(self) -> Gate:
        """Return what the database says of itself."""
        if not self._has_gates:
            self._has_gates = bool(await self._ask(HAS_GATES))
        state: object = None
        if self._has_gates:
            try:
                state = await self._ask(READ_GATE, self._sides.module)
            except asyncpg.UndefinedTableError:
                self._has_gates = False
        return _BY_DEFAULT[self._side] if state is None else Gate(str(state))

    async def lock(self) -> bool:
        """Take the module's lock, unless somebody has it alone, or waits to."""
        lock = "SELECT pg_try_advisory_lock_shared($1, $2)"
        return bool(await self._ask(lock, *lock_of(self._sides.module)))

    async def unlock(self) -> None:
        """Let it go."""
        await self._ask("SELECT pg_advisory_unlock_all()")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()

    async def _ask(self, question: str, *given: object) -> object:
        if self._connection is None:
            raise ConnectionError
        return await self._connection.fetchval(question, *given)


class _Watch:
    """Keeps a process on the open side."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._heard = asyncio.Event()
        self._sessions = {side: _Session(sides, side, self._heard) for side in Side}
        self.has_looked = asyncio.Event()

    async def follow(self) -> None:
        """Follow until cancelled, through times in which the databases are away."""
        said = ""
        try:
            while True:
                try:
                    await self._stay(await self._arrive())
                    said = ""
                except Exception as error:
                    if (reason := cause(error)) != said:
                        logger.warning(
                            "Where the data of %s are cannot be watched, trying again: %s",
                            self._sides.module,
                            reason,
                        )
                    said = reason
                    self.has_looked.set()
                    await asyncio.sleep(_SOON if self._sides.is_held else _POLL)
        finally:
            self.close()

    async def look(self) -> Side | None:
        """Return the side that is open, or closing; None where none is. Raises where that is not known."""
        return open_side(await self._gates())

    def close(self) -> None:
        for session in self._sessions.values():
            session.close()

    async def _arrive(self) -> Side:
        """Wait for the side that opens, take the lock there, and let the process go on."""
        while True:
            self._heard.clear()
            gates = await self._gates()
            side = open_side(gates)
            session = None if side is None else self._sessions[side]
            if side is None or gates[side] is not Gate.OPEN:
                self._sides.hold()
            elif session is not None and await session.lock():
                if await session.gate() is Gate.OPEN:
                    await self._settle(side)
                    return side
                await session.unlock()
            self.has_looked.set()
            await self._hear(_SOON)

    async def _settle(self, side: Side) -> None:
        place = self._sides.place
        if place is None or place.side is not side:
            self._sides.hold()
            while not self._sides.is_left:
                await self._hear(_DRAIN)
            self._sides.move(side)
            await self._sides.has_moved(side)
            logger.info("The data of %s are in %s.", self._sides.module, _NAMES[side])
        self._sides.let_go()
        self.has_looked.set()
        for other in Side:
            if other is not side:
                self._sessions[other].close()

    async def _stay(self, side: Side) -> None:
        """Return once the side is not open any more, and all that had begun there has ended."""
        session = self._sessions[side]
        while True:
            self._heard.clear()
            if await session.gate() is Gate.OPEN:
                self._sides.let_go()
                await self._hear(_POLL)
                continue
            self._sides.hold()
            if self._sides.is_left:
                await session.unlock()
                return
            await self._hear(_DRAIN)

    async def _hear(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._heard.wait()

    async def _gates(self) -> dict[Side, Gate | BaseException]:
        for _ in range(2):  # The data may have moved between two answers.
            asked = (self._gate_of(session) for session in self._sessions.values())
            answers = await asyncio.gather(*asked, return_exceptions=True)
            if any(gate not in _WRITABLE for gate in answers):
                break
        return dict(zip(Side, answers, strict=True))

    async def _gate_of(self, session: _Session) -> Gate:
        try:
            await session.connect()
            return await session.gate()
        except BaseException:
            session.close()
            raise


def is_moving(error: BaseException) -> bool:
    """Say whether something came to nothing only because the data of a module move, or have moved."""
    return isinstance(error, HeldError | ClosedError) or sqlstate_of(error) == FENCED


def open_side(gates: Mapping[Side, Gate | BaseException]) -> Side | None:
    """Return the side that is open, or closing: where one is, the other is not.

    Raises what kept a side from answering which may be the one, and SidesError where both are open.
    """
    found = [side for side, gate in gates.items() if gate in _WRITABLE]
    if len(found) > 1:
        raise SidesError(
            "both databases say that they are open: close one, as `app carve status` tells"
        )
    for gate in gates.values():
        if isinstance(gate, BaseException) and not found:
            raise gate
    return found[0] if found else None


@asynccontextmanager
async def watched(sides: Sides | None) -> AsyncIterator[None]:
    """Keep this process on the open side while the block lasts, if there are two."""
    if sides is None:
        yield
        return
    watch = _Watch(sides)
    with sides.counted():
        watching = asyncio.create_task(watch.follow())
        try:
            await watch.has_looked.wait()
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])


async def find_open_side(sides: Sides) -> None:
    """Lead to the open side from now on. Raises SidesError where there is none, UnreachableError where
    that is not known."""
    watch = _Watch(sides)
    try:
        side = await watch.look()
    except _UNREACHABLE as error:
        raise UnreachableError(
            f"Where the data of {sides.module} are is not known: {error!r}"
        ) from error
    finally:
        watch.close()
    if side is None:
        raise SidesError(
            f"The data of {sides.module} are being moved, and neither database takes its writes: try "
            "again in a moment. `app carve status` tells how far that is."
        )
    sides.move(side)
