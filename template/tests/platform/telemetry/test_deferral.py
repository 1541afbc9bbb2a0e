import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.platform.telemetry.deferral import Deferred


@pytest.fixture
def told() -> list[int]:
    return []


async def test_a_call_is_made_in_a_moment_and_in_order(told: list[int]) -> None:
    deferred = Deferred()
    with deferred.on():
        for number in range(200):  # More than are made in one go.
            deferred.call(told.append, number)
        assert told == []
        async with asyncio.timeout(30):
            while len(told) < 200:
                await asyncio.sleep(0.005)
        deferred.call(told.append, 200)
        assert len(told) == 200
    assert told == list(range(201))


async def test_a_call_is_made_at_once_where_nobody_defers(told: list[int]) -> None:
    deferred = Deferred()
    deferred.call(told.append, 1)
    with deferred.on():
        pass
    deferred.call(told.append, 2)
    assert told == [1, 2]


async def test_a_thread_without_a_loop_does_not_wait_for_one(told: list[int]) -> None:
    deferred = Deferred()
    with deferred.on():
        await asyncio.to_thread(deferred.call, told.append, 1)
        assert told == [1]


async def test_what_waits_is_made_by_threads_as_well_each_call_once(told: list[int]) -> None:
    deferred = Deferred()
    with deferred.on(), ThreadPoolExecutor(4) as threads:
        for number in range(1000):
            deferred.call(told.append, number)
        for each in [threads.submit(deferred.flush) for _ in range(4)]:
            each.result()
        assert sorted(told) == list(range(1000))


async def test_a_call_that_fails_does_not_take_others_along(
    told: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    deferred = Deferred()
    with deferred.on():
        deferred.call(told.remove, 1)
        deferred.call(told.append, 2)
    assert told == [2]
    assert [each.name for each in caplog.records] == ["app.signals"]


def test_a_loop_that_has_ended_leaves_nothing_behind(told: list[int]) -> None:
    deferred = Deferred()

    async def once(number: int) -> None:
        with deferred.on():
            deferred.call(told.append, number)

    asyncio.run(once(1))
    asyncio.run(once(2))
    assert told == [1, 2]
