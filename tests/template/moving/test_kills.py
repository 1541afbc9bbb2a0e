"""The command is killed, or loses a connection, at each of its statements that changes anything: one side at most
takes writes, and the next command brings it to an end in which nothing is lost."""

import asyncio
import re
from typing import Any

import asyncpg
import pytest
from app.platform.carving import (
    CarvingError,
    Cut,
    End,
    Ends,
    begin_copy,
    connected,
    cut,
    differences,
    report,
    watch_copy,
)
from app.platform.carving.settling import settle
from app.platform.database import connect

from .moving import MODULE, Writer, make_tables, open_sides, rows, try_to_write

pytestmark = pytest.mark.anyio


CHANGES = re.compile(
    r"\s*(?!SELECT|SET|RESET|ROLLBACK|BEGIN)|.*(advisory_lock|pg_create|pg_drop|advance|setval)",
    re.DOTALL,
)


class Killed(BaseException):
    """The process is no more."""


class Fate:
    """Counts what changes anything, and does something at one of them: behind it, or before."""

    def __init__(self, number: int, how: str) -> None:
        self.number, self.how, self.count = number, how, 0
        self.is_dead = False
        self.sessions: list[asyncpg.Connection] = []

    async def at(self, session: asyncpg.Connection, text: str, statement: Any) -> Any:
        if self.is_dead:
            statement.close()
            raise Killed
        self.count += bool(CHANGES.match(text))
        if self.count != self.number or not CHANGES.match(text):
            return await statement
        if self.how == "lost":
            session.terminate()
            return await statement
        await statement
        self.is_dead = True
        for each in self.sessions:
            each.terminate()
        raise Killed


def connecting(fate: Fate) -> Any:
    class Session(asyncpg.Connection):  # type: ignore[misc]
        async def execute(self, text: str, *given: Any, **options: Any) -> Any:
            return await fate.at(self, text, super().execute(text, *given, **options))

        async def fetch(self, text: str, *given: Any, **options: Any) -> Any:
            return await fate.at(self, text, super().fetch(text, *given, **options))

        async def fetchval(self, text: str, *given: Any, **options: Any) -> Any:
            return await fate.at(self, text, super().fetchval(text, *given, **options))

        async def copy_from_query(self, text: str, *given: Any, **options: Any) -> Any:
            return await fate.at(self, text, super().copy_from_query(text, *given, **options))

    async def open_session(url: str, **options: Any) -> asyncpg.Connection:
        if fate.is_dead:
            raise Killed
        session = await connect(url, **{**options, "connection_class": Session})
        fate.sessions.append(session)
        return session

    return open_session


def say(_text: str) -> None:
    pass


def fresh(ends: Ends) -> Ends:
    return Ends(
        *(
            End(each.is_own, each.url, each.reached_at, each.command)
            for each in (ends.main, ends.own)
        )
    )


async def move(ends: Ends, *, to_own: bool) -> Cut:
    ends = fresh(ends)
    async with connected(ends, MODULE):
        return await cut(ends, to_own, Cut(module=MODULE, pause=60.0), say)


async def bring_to_an_end(ends: Ends) -> bool:
    """Do what any next command does first, once the server has noticed that the one before is gone; return
    whether the own database takes the writes."""
    for _ in range(600):
        try:
            async with connected(again := fresh(ends), MODULE):
                await settle(again, MODULE)
        except CarvingError as error:
            if "Somebody else" not in str(error):
                raise
            await asyncio.sleep(0.1)
        else:
            break
    [side] = await open_sides(ends)
    opened, closed = (ends.own, ends.main) if side == "own" else (ends.main, ends.own)
    assert await try_to_write(opened.url) is None
    assert await try_to_write(closed.url) == "SCV01"
    return side == "own"


@pytest.fixture
async def copied(ends: Ends) -> Ends:
    async with connected(ends, MODULE):
        await begin_copy(ends, True, MODULE, lambda: make_tables(ends.own), say)
        async for _ in watch_copy(ends.main, ends.own, MODULE):
            pass
    return ends


@pytest.mark.parametrize("how", ["killed", "lost"])
async def test_a_cut_that_is_killed_anywhere_is_brought_to_an_end(
    copied: Ends, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends, is_own, number, ended = copied, False, 1, False
    # What nobody waits for any more on a connection that is gone is no failure.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    async with Writer(ends) as writer:
        while not ended:
            fate = Fate(number, how)
            with monkeypatch.context() as patch:
                patch.setattr("app.platform.carving.ends.connect", connecting(fate))
                try:
                    await move(ends, to_own=not is_own)
                    ended = fate.count < number  # It was not touched.
                except* (Killed, Exception):
                    pass
            assert len(await open_sides(ends)) <= 1, (number, how)
            is_own = await bring_to_an_end(ends)
            number += 2  # The two ways take turns: killed behind one is as lost before the next.
        assert number > 40
        done = await move(ends, to_own=not is_own)
        assert not differences(done.compared)
    assert writer.written == await rows((ends.main if is_own else ends.own).url)
    async with connected(again := fresh(ends), MODULE):
        for _ in range(600):
            if not (found := await report(again, MODULE))["wrong"]:
                break
            await asyncio.sleep(0.05)
    assert found["wrong"] == []
