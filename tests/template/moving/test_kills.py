"""The command is killed, or loses a connection, at each of its statements: one side at most takes writes, and
the next command brings it to an end in which nothing is lost."""

import asyncio
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
from app.platform.database import connect

from .moving import MODULE, Writer, make_tables, open_sides, rows, try_to_write

pytestmark = pytest.mark.anyio


class Killed(BaseException):
    """The process is no more."""


class Fate:
    """Counts statements, and does something at one of them."""

    def __init__(self, number: int, how: str) -> None:
        self.number, self.how, self.count = number, how, 0
        self.is_dead = False
        self.sessions: list[asyncpg.Connection] = []

    async def at(self, session: asyncpg.Connection, statement: Any) -> Any:
        if self.is_dead:
            statement.close()
            raise Killed
        self.count += 1
        if self.count != self.number:
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
        async def execute(self, *arguments: Any, **options: Any) -> Any:
            return await fate.at(self, super().execute(*arguments, **options))

        async def fetch(self, *arguments: Any, **options: Any) -> Any:
            return await fate.at(self, super().fetch(*arguments, **options))

        async def fetchval(self, *arguments: Any, **options: Any) -> Any:
            return await fate.at(self, super().fetchval(*arguments, **options))

        async def copy_from_query(self, *arguments: Any, **options: Any) -> Any:
            return await fate.at(self, super().copy_from_query(*arguments, **options))

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
        return await cut(ends, to_own, Cut(module=MODULE, pause=20.0), say)


async def move_after(ends: Ends, *, to_own: bool) -> None:
    """Do what an operator does: run the command again, until the server has noticed that the first is gone."""
    wanted = "own" if to_own else "main"
    for _ in range(100):
        try:
            done = await move(ends, to_own=to_own)
        except CarvingError as error:
            if "already" in str(error):
                break
            if "Somebody else" not in str(error):
                raise
            await asyncio.sleep(0.1)
        else:
            assert not differences(done.compared)
            break
    assert await open_sides(ends) == [wanted]
    opened, closed = (ends.own, ends.main) if to_own else (ends.main, ends.own)
    assert await try_to_write(opened.url) is None
    assert await try_to_write(closed.url) == "SCV01"
    async with connected(again := fresh(ends), MODULE):
        for _ in range(100):
            found = await report(again, MODULE)
            if not found["wrong"]:
                break
            await asyncio.sleep(0.05)
    assert found["wrong"] == []


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
    ends, to_own, number, ended = copied, True, 1, False
    # What nobody waits for any more on a connection that is gone is no failure.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    async with Writer(ends) as writer:
        while not ended:
            fate = Fate(number, how)
            with monkeypatch.context() as patch:
                patch.setattr("app.platform.carving.ends.connect", connecting(fate))
                try:
                    await move(ends, to_own=to_own)
                    ended = fate.count < number  # It was not touched.
                except* (Killed, Exception):
                    pass
            assert len(await open_sides(ends)) <= 1, (number, how)
            await move_after(ends, to_own=to_own)
            to_own, number = not to_own, number + 1
    assert number > 50
    assert writer.written == await rows((ends.main if to_own else ends.own).url)
