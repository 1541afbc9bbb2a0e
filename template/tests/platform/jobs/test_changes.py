"""What is done with held jobs: all that is asked, or nothing, and what is said of it is true."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pgqueuer import Queries

from app.platform.jobs.changes import drop_jobs, Left, retry_held, retry_jobs
from app.platform.jobs.queue import connect_queue
from app.platform.jobs.records import JobsError
from app.platform.settings.settings import Settings

INSERT = """INSERT INTO queue.pgqueuer (priority, status, entrypoint, dedupe_key, headers)
    VALUES (0, CAST($1 AS text)::queue.pgqueuer_status, 'catalog.greet', $2, '{"lost": 5}')
    RETURNING id"""
STATE = "SELECT id, status::text, headers ? 'lost' AS is_suspected FROM queue.pgqueuer ORDER BY id"


@pytest.fixture
async def queue(settings: Settings) -> AsyncIterator[Queries]:
    async with connect_queue(settings) as queue:
        yield queue


async def add(queue: Queries, status: str, key: str | None = None) -> int:
    [row] = await queue.driver.fetch(INSERT, status, key)
    return int(str(row["id"]))


async def states(queue: Queries) -> dict[int, tuple[str, bool]]:
    rows = await queue.driver.fetch(STATE)
    return {int(str(row["id"])): (str(row["status"]), bool(row["is_suspected"])) for row in rows}


async def test_of_held_jobs_with_one_key_the_newest_runs_again(queue: Queries) -> None:
    old, new, alone, keyless = [
        await add(queue, "failed", key) for key in ("k", "k", "other", None)
    ]
    taken = await add(queue, "failed", "taken")
    waiting = await add(queue, "queued", "taken")
    ids = [old, new, alone, keyless, taken]
    again, left = await retry_held(queue, ids)
    assert again == [new, alone, keyless]
    assert left == [Left(taken, "taken", waiting, "waiting"), Left(old, "k", new, "held")]
    assert await states(queue) == {
        **dict.fromkeys(again, ("queued", False)),
        **dict.fromkeys((old, taken), ("failed", True)),
        waiting: ("queued", True),
    }
    assert await retry_held(queue, [old, taken]) == (
        [],
        [Left(taken, "taken", waiting, "waiting"), Left(old, "k", new, "waiting")],
    )


@pytest.mark.parametrize(
    ("status", "said"), [("failed", "is held as well"), ("queued", "waits"), ("picked", "runs")]
)
async def test_a_job_whose_key_another_has_is_named_and_nothing_is_changed(
    queue: Queries, status: str, said: str
) -> None:
    free, held = await add(queue, "failed"), await add(queue, "failed", "k")
    other = await add(queue, status, "k")
    before = await states(queue)
    asked = [free, held] if status != "failed" else [free, held, other]
    with pytest.raises(
        JobsError, match=f"job {held} has the same key as job {other}, which {said}"
    ):
        await retry_jobs(queue, asked)
    assert await states(queue) == before


async def test_a_job_that_is_not_held_or_not_there_keeps_all_from_being_changed(
    queue: Queries,
) -> None:
    held, waiting = await add(queue, "failed"), await add(queue, "queued")
    before = await states(queue)
    with pytest.raises(JobsError, match=f"Job {waiting} is waiting, not held"):
        await retry_jobs(queue, [held, waiting])
    with pytest.raises(JobsError, match="There is no job 999999"):
        await retry_jobs(queue, [held, 999_999])
    with pytest.raises(JobsError, match="There is no job 999999"):
        await drop_jobs(queue, [held, 999_999], 10)
    with pytest.raises(JobsError, match=f"Job {waiting} is waiting meanwhile"):
        await drop_jobs(queue, [held, waiting], 10, ["held"])
    running = await add(queue, "picked")
    with pytest.raises(JobsError, match=f"Job {running} is running"):
        await drop_jobs(queue, [held, running], 3600)
    assert await states(queue) == {**before, running: ("picked", True)}
    await retry_jobs(queue, [held, held])
    await drop_jobs(queue, [held, waiting, waiting, running], 0)
    assert await states(queue) == {}


async def test_a_key_that_is_taken_at_the_same_moment_undoes_nothing_by_halves(
    queue: Queries, settings: Settings
) -> None:
    held = [await add(queue, "failed", f"k{number}") for number in range(5)]
    async with connect_queue(settings) as another:
        await another.driver.execute("BEGIN")
        taken = await add(another, "queued", "k3")
        retrying = asyncio.create_task(retry_held(queue, held))
        await asyncio.sleep(0.2)  # It waits for whoever takes the key.
        await another.driver.execute("COMMIT")
        again, left = await retrying
    assert left == [Left(held[3], "k3", taken, "waiting")]
    assert again == [*held[:3], held[4]]
    assert {id: status for id, (status, _) in (await states(queue)).items()} == {
        **dict.fromkeys(again, "queued"),
        held[3]: "failed",
        taken: "queued",
    }
