"""The breaker: what is cancelled says nothing, one call tries, and none too many."""

import asyncio

import pytest

from app.platform.remote.breaker import Breaker, OpenError

from ..clock import Clock


class Failed(Exception):
    """Nobody was there."""


class Answered(Exception):
    """An answer, if an unwelcome one."""


class Hurried(Exception):
    """Says nothing."""


class Callee:
    """Does what it is told."""

    def __init__(self) -> None:
        self.calls = 0
        self.go_on = asyncio.Event()

    async def fail(self) -> None:
        self.calls += 1
        raise Failed

    async def answer(self) -> str:
        self.calls += 1
        return "answer"

    async def refuse(self) -> None:
        self.calls += 1
        raise Answered

    async def hurry(self) -> None:
        self.calls += 1
        raise Hurried

    async def hang(self) -> str:
        self.calls += 1
        await self.go_on.wait()
        return "late"

    async def fail_late(self) -> None:
        await self.hang()
        raise Failed


def is_failure(error: Exception) -> bool | None:
    return None if isinstance(error, Hurried) else isinstance(error, Failed)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(3, 10, is_failure, clock)


@pytest.fixture
async def callee() -> Callee:
    return Callee()


async def opened(breaker: Breaker, callee: Callee) -> None:
    for _ in range(3):
        with pytest.raises(Failed):
            await breaker.call(callee.fail)
    assert breaker.is_open
    callee.calls = 0


async def test_calls_that_are_cancelled_say_nothing(breaker: Breaker, callee: Callee) -> None:
    for _ in range(5):
        task = asyncio.ensure_future(breaker.call(callee.hang))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not breaker.is_open
    assert await breaker.call(callee.answer) == "answer"


async def test_it_opens_at_the_last_failure_in_a_row(breaker: Breaker, callee: Callee) -> None:
    for _ in range(3):
        for _ in range(2):
            with pytest.raises(Failed):
                await breaker.call(callee.fail)
        with pytest.raises(Answered):
            await breaker.call(callee.refuse)
    assert not breaker.is_open
    await opened(breaker, callee)
    with pytest.raises(OpenError) as refused:
        await breaker.call(callee.answer)
    assert (callee.calls, refused.value.seconds) == (0, 10)


async def test_what_says_nothing_is_neither_failure_nor_answer(
    breaker: Breaker, callee: Callee, clock: Clock
) -> None:
    for _ in range(2):
        with pytest.raises(Failed):
            await breaker.call(callee.fail)
    with pytest.raises(Hurried):
        await breaker.call(callee.hurry)
    with pytest.raises(Failed):
        await breaker.call(callee.fail)
    assert breaker.is_open
    clock.now = 11
    with pytest.raises(Hurried):
        await breaker.call(callee.hurry)
    assert breaker.is_open
    assert await breaker.call(callee.answer) == "answer"


async def test_of_twenty_callers_one_tries(breaker: Breaker, callee: Callee, clock: Clock) -> None:
    await opened(breaker, callee)
    clock.now = 11
    asked = [asyncio.ensure_future(breaker.call(callee.hang)) for _ in range(20)]
    await asyncio.sleep(0)
    callee.go_on.set()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert callee.calls == 1
    assert [type(each) for each in found] == [str, *[OpenError] * 19]
    assert not breaker.is_open


async def test_a_try_that_is_cancelled_lets_the_next_one_try(
    breaker: Breaker, callee: Callee, clock: Clock
) -> None:
    await opened(breaker, callee)
    clock.now = 11
    trying = asyncio.ensure_future(breaker.call(callee.hang))
    await asyncio.sleep(0)
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    assert breaker.is_open
    assert await breaker.call(callee.answer) == "answer"
    assert not breaker.is_open


async def test_a_try_that_fails_opens_it_for_as_long_again(
    breaker: Breaker, callee: Callee, clock: Clock
) -> None:
    await opened(breaker, callee)
    clock.now = 11
    with pytest.raises(Failed):
        await breaker.call(callee.fail)
    clock.now = 20
    with pytest.raises(OpenError):
        await breaker.call(callee.answer)
    clock.now = 22
    assert await breaker.call(callee.answer) == "answer"


@pytest.mark.parametrize("outcome", ["hang", "fail_late"])
async def test_an_outcome_of_what_began_before_it_opened_counts_for_nothing(
    breaker: Breaker, callee: Callee, clock: Clock, outcome: str
) -> None:
    early = asyncio.ensure_future(breaker.call(getattr(callee, outcome)))
    await asyncio.sleep(0)
    await opened(breaker, callee)
    callee.go_on.set()
    await asyncio.gather(early, return_exceptions=True)
    assert breaker.is_open
    clock.now = 10.5  # Nor is it left alone for longer.
    assert await breaker.call(callee.answer) == "answer"


async def test_refusing_does_not_grow_a_traceback(breaker: Breaker, callee: Callee) -> None:
    await opened(breaker, callee)
    refused = []
    for _ in range(50):
        with pytest.raises(OpenError) as caught:
            await breaker.call(callee.answer)
        refused.append(len(caught.traceback))
    assert refused[0] == refused[-1]
