"""Rows in the queue that nobody wrote with `enqueue`: they are held, and keep no other job from being
done."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pgqueuer import Queries
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database, Tx
from app.platform.jobs.changes import drop_jobs, retry_jobs
from app.platform.jobs.jobs import job
from app.platform.jobs.queue import connect_queue
from app.platform.jobs.records import count_jobs, find_jobs, measure_queue
from app.platform.jobs.recovery import recover
from app.platform.jobs.worker import Worker
from app.platform.settings.settings import Settings
from app.platform.wiring.modules import ModuleFolder
from app.platform.wiring.wiring import wire, Wired


@dataclass(frozen=True)
class Note:
    text: str


done: list[str] = []


@job(retries=0)
async def write(_tx: Tx, note: Note) -> None:
    done.append(note.text)


write.function.__module__ = "tests.platform.modules.catalog.jobs"

NAME = "catalog.write"
GOOD = b'{"text": "odd"}'
HEADERS = [
    "[]",
    '["lost", "shape"]',
    "5",
    '"lost"',
    "true",
    '{"shape": ["a"]}',
    '{"shape": {"a": 1}}',
    '{"shape": 5}',
    '{"shape": "older", "members": [], "misfit": []}',
    '{"shape": "older", "misfit": "x"}',
    '{"lost": "x"}',
    '{"lost": 1e99}',
    '{"lost": 1.5, "started": []}',
    '{"otel": "x", "request_id": 5}',
    '{"otel": {"traceparent": {}}, "request_id": []}',
]
PAYLOADS = [
    None,
    b"",
    b"no JSON",
    b"\xff\xfe",
    b"null",
    b"[1]",
    b"[" * 10_000,
    b'{"text": "\\ud800"}',
    b'{"\\u0000": 1}',
]
COLUMNS = [
    ("created", "infinity"),
    ("created", "0044-03-15 00:00 BC"),
    ("updated", "-infinity"),
    ("heartbeat", "0044-03-15 00:00 BC"),
    ("execute_after", "-infinity"),
    ("attempts", "-5"),
    ("dedupe_key", ""),
]


@pytest.fixture
def wired(folders: Sequence[ModuleFolder], engine: AsyncEngine) -> Wired:
    [catalog] = [folder for folder in folders if folder.name == "catalog"]
    declaration = replace(catalog.declaration, jobs=(write,), subscriptions={})
    return wire([replace(catalog, declaration=declaration)], engine)


@pytest.fixture
async def queue(settings: Settings) -> AsyncIterator[Queries]:
    async with connect_queue(settings) as queue:
        yield queue


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    done.clear()


async def insert(
    queue: Queries, payload: bytes | None = GOOD, headers: str | None = None, **columns: str
) -> None:
    names = "".join(f", {name}" for name in columns)
    values = "".join(f", '{value}'" for value in columns.values())
    await queue.driver.execute(
        f"INSERT INTO queue.pgqueuer (priority, status, entrypoint, payload, headers{names})"
        f" VALUES (9, 'queued', '{NAME}', $1, $2{values})",
        payload,
        headers,
    )


async def test_no_row_stops_a_worker(
    settings: Settings,
    engine: AsyncEngine,
    wired: Wired,
    queue: Queries,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for headers in HEADERS:
        await insert(queue, headers=headers)
        await insert(queue, b"{}", headers=headers)
    for payload in PAYLOADS:
        await insert(queue, payload)
        await insert(queue, payload, '{"shape": "older"}')
    for name, value in COLUMNS:
        await insert(queue, GOOD, **{name: value})
    oldest = (await measure_queue(queue.driver, wired.jobs))["catalog"].oldest_due
    assert 0 < oldest < float("inf")
    await find_jobs(queue, wired.jobs)
    many = len(HEADERS) * 2 + len(PAYLOADS) * 2 + len(COLUMNS)
    async with Worker(settings, engine, wired.jobs).in_background():
        async with Database(engine, "catalog").transaction() as tx:
            await write.enqueue(tx, Note("behind"))
        await eventually(lambda: "behind" in done)
        await eventually(lambda: settled(queue, wired))
    counts = (await count_jobs(queue, wired.jobs))["catalog"]
    assert counts["held"] + counts["unknown"] + len(done) == many + 1
    held = await find_jobs(queue, wired.jobs, state="held")
    assert all(each.error for each in held)
    assert [each for each in held if "UnreadableError: The row of job" in (each.error or "")]
    assert "cannot be read: headers: Input should be a valid dictionary" in caplog.text
    await retry_jobs(queue, [each.id for each in held if not each.key])
    await drop_jobs(queue, [each.id for each in await find_jobs(queue, wired.jobs)], 10)


async def test_what_is_odd_about_a_row_that_a_dead_worker_had_keeps_no_other_from_coming_back(
    queue: Queries, wired: Wired
) -> None:
    for headers in [*HEADERS, None]:
        await insert(queue, headers=headers, updated="2027-01-01", heartbeat="2000-01-01")
    await queue.driver.execute("UPDATE queue.pgqueuer SET status = 'picked'")
    await recover(queue, 10)
    rows = await queue.driver.fetch("SELECT status::text, headers FROM queue.pgqueuer")
    assert {row["status"] for row in rows} == {"queued"}
    lost = [json.loads(str(row["headers"]))["lost"] for row in rows]
    assert {type(each) for each in lost} == {int}
    assert sorted(set(lost)) == [1, 2, 5]


async def settled(queue: Queries, wired: Wired) -> bool:
    counts = (await count_jobs(queue, wired.jobs)).get("catalog", {})
    return not counts.get("waiting") and not counts.get("running")


async def eventually(condition: Callable[[], Any], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while True:
            result = condition()
            if await result if asyncio.iscoroutine(result) else result:
                return
            await asyncio.sleep(0.02)
