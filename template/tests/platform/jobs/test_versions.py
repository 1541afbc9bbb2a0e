"""Two versions of the code, one queue: what one of them cannot read is left to the other."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, UTC
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pgqueuer import Queries
from pydantic import BeforeValidator
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database, Tx
from app.platform.jobs.changes import drop_jobs
from app.platform.jobs.jobs import ArgumentsError, BoundJob, Job, job
from app.platform.jobs.queue import connect_queue
from app.platform.jobs.records import count_jobs, find_jobs, measure_queue
from app.platform.jobs.worker import Worker
from app.platform.settings.settings import Settings
from app.platform.wiring.modules import ModuleFolder
from app.platform.wiring.wiring import wire

Jobs = Mapping[str, BoundJob]
done: list[tuple[str, object]] = []


class Colour(StrEnum):
    RED = "red"


class Colours(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Old:
    name: str
    colour: Colour = Colour.RED
    number: int = 0


@dataclass(frozen=True)
class NewField(Old):
    newsletter: bool = False


@dataclass(frozen=True)
class NewValue:
    name: str
    colour: Colours = Colours.BLUE
    number: int = 0


@dataclass(frozen=True)
class WiderType:
    name: str
    colour: Colour = Colour.RED
    number: int | str = "many"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Renumbered(IntEnum):
    LOW = 1
    MIDDLE = 2
    HIGH = 3


class Grown(IntEnum):
    LOW = 1
    HIGH = 2
    HIGHEST = 3


def of(kind: Any, default: Any = None) -> type:
    """Arguments with one value of a type, as one version of the code has them."""

    @dataclass(frozen=True)
    class Of:
        value: kind = default

    return Of


def read(ours: Jobs, theirs: Jobs, arguments: object) -> object:
    """Read what another version writes."""
    written = theirs["catalog.greet"].write(arguments)
    headers = {"shape": written.shape, "members": json.loads(json.dumps(written.members))}
    return ours["catalog.greet"].read(written.arguments, headers)


def version(kind: type, **options: Any) -> Job[Any]:
    """The job `catalog.greet` of one version of the code."""

    async def greet(_tx: Tx, arguments: Any) -> None:
        done.append((kind.__name__, arguments))

    greet.__module__ = "tests.platform.modules.catalog.jobs"
    greet.__annotations__["arguments"] = kind
    return job(**options)(greet)


async def other(_tx: Tx, arguments: Old) -> None:
    done.append(("other", arguments))


other.__module__ = "tests.platform.modules.catalog.jobs"
OTHER: Job[Old] = job(priority=-1)(other)


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    done.clear()


@pytest.fixture
def wired(folders: Sequence[ModuleFolder], engine: AsyncEngine) -> Callable[[Job[Any]], Jobs]:
    """What a worker of a version runs."""

    def wired(greet: Job[Any]) -> Jobs:
        [catalog] = [folder for folder in folders if folder.name == "catalog"]
        declaration = replace(catalog.declaration, jobs=(greet, OTHER), subscriptions={})
        return wire([replace(catalog, declaration=declaration)], engine).jobs

    return wired


@pytest.fixture
async def queue(settings: Settings) -> AsyncIterator[Queries]:
    async with connect_queue(settings) as queue:
        yield queue


@pytest.fixture
def working(settings: Settings, engine: AsyncEngine) -> Any:
    @asynccontextmanager
    async def working(jobs: Jobs) -> AsyncIterator[None]:
        async with Worker(settings, engine, jobs).in_background():
            yield

    return working


async def enqueue(engine: AsyncEngine, job: Job[Any], *arguments: Any) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        for each in arguments:
            await job.enqueue(tx, each)


async def eventually(condition: Callable[[], Any], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while True:
            result = condition()
            if await result if asyncio.iscoroutine(result) else result:
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", [NewField, NewValue, WiderType])
async def test_what_a_newer_version_enqueued_waits_for_it_and_is_no_failed_attempt(
    engine: AsyncEngine,
    wired: Callable[[Job[Any]], Jobs],
    working: Any,
    queue: Queries,
    caplog: pytest.LogCaptureFixture,
    kind: type,
) -> None:
    async def states(jobs: Jobs) -> dict[str, int]:
        return {
            state: each
            for state, each in (await count_jobs(queue, jobs))["catalog"].items()
            if each
        }

    async def all_aside() -> bool:
        return await states(wired(old)) == {"unknown": 20}

    old, new = version(Old), version(kind)
    await enqueue(engine, new, *(kind(str(number)) for number in range(20)))
    await enqueue(engine, OTHER, Old("other"))
    async with working(wired(old)):
        await eventually(all_aside)
        assert await states(wired(new)) == {"waiting": 20}
        unknown = await find_jobs(queue, wired(old), state="unknown")
        assert {each.failed for each in unknown} == {0}
        assert all(each.error for each in unknown)
        assert done == [("other", Old("other"))]
        async with working(wired(new)):
            await eventually(lambda: len(done) == 21)
    assert {version for version, _ in done[1:]} == {kind.__name__}
    assert {arguments for _, arguments in done[1:]} == {kind(str(number)) for number in range(20)}
    assert await queue.browse_queue() == []
    assert caplog.text.count("Another version of the code enqueued catalog.greet") == 1


async def test_what_an_older_version_enqueued_is_done_by_the_newer_with_its_defaults(
    engine: AsyncEngine, wired: Callable[[Job[Any]], Jobs], working: Any
) -> None:
    await enqueue(engine, version(Old), Old("a"))
    async with working(wired(version(NewField))):
        await eventually(lambda: done)
    assert done == [("NewField", NewField("a", newsletter=False))]


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [
        (str, "0007", int),
        (str, "7", datetime),
        (str, "yes", bool),
        (str, "1.50", float),
        (int, 1, bool),
        (int, 7, timedelta),
        (float, 7.0, int),
        (bool, True, Level),
        (bool, True, Literal[1]),
        (str, "0007", Annotated[int, BeforeValidator(int)]),
        (Level, Level.HIGH, Renumbered),
        (list[Level], [Level.HIGH], list[Renumbered]),
        (dict[str, str], {"a": "01"}, dict[str, int]),
        (dict[str, int], {"01": 1}, dict[int, int]),
        (list[str], ["a", "a"], frozenset[str]),
    ],
)
async def test_what_would_become_another_value_is_not_read(
    wired: Callable[[Job[Any]], Jobs], old: Any, value: object, new: Any
) -> None:
    before, after = of(old), of(new)
    with pytest.raises(ArgumentsError):
        read(wired(version(after)), wired(version(before)), before(value))


@pytest.mark.parametrize(
    ("old", "value", "new"), [(str, "0007", int), (Level, Level.HIGH, Renumbered)]
)
async def test_what_would_become_another_value_waits_for_its_own_version(
    engine: AsyncEngine,
    wired: Callable[[Job[Any]], Jobs],
    working: Any,
    queue: Queries,
    old: Any,
    value: object,
    new: Any,
) -> None:
    before, after = of(old), of(new)
    await enqueue(engine, version(before), before(value))
    async with working(wired(version(after))):
        await eventually(lambda: laid_aside(queue, 1))
        async with working(wired(version(before))):
            await eventually(lambda: done)
    assert [each for _, each in done] == [before(value)]


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [
        (int, 7, float),
        (int, 7, int | str),
        (str, "a", str | None),
        (Level, Level.HIGH, Grown),
        (frozenset[int], frozenset(range(40, 0, -1)), set[int]),
        (dict[int, Level], {7: Level.LOW}, dict[int, Level | None]),
        (tuple[datetime, ...], (datetime(2027, 1, 1, tzinfo=UTC),), list[datetime]),
        (timedelta, timedelta(days=400, microseconds=1), timedelta | None),
        (Decimal, Decimal("1.50"), Decimal | None),
        (UUID, UUID(int=7), str),
    ],
)
async def test_what_stays_the_same_value_is_read(
    wired: Callable[[Job[Any]], Jobs], old: Any, value: object, new: Any
) -> None:
    before, after = of(old), of(new)
    read(wired(version(after)), wired(version(before)), before(value))


async def test_what_its_own_version_wrote_and_it_cannot_read_is_held(
    engine: AsyncEngine, wired: Callable[[Job[Any]], Jobs], working: Any, queue: Queries
) -> None:
    await enqueue(engine, version(Old), Old(name="a"))
    await queue.driver.execute("""UPDATE queue.pgqueuer SET payload = '{"title": "a"}'""")
    jobs = wired(version(Old))

    async def is_held() -> bool:
        return (await count_jobs(queue, jobs))["catalog"]["held"] == 1

    async with working(jobs):
        await eventually(is_held)


async def test_many_that_it_cannot_read_keep_no_other_job_from_being_done(
    engine: AsyncEngine, wired: Callable[[Job[Any]], Jobs], working: Any, queue: Queries
) -> None:
    await enqueue(engine, version(NewField), NewField("a"))
    await queue.driver.execute(
        "INSERT INTO queue.pgqueuer (priority, status, entrypoint, payload, headers)"
        " SELECT 1, 'queued', entrypoint, payload, headers FROM queue.pgqueuer,"
        " generate_series(1, 2000)"
    )
    jobs = wired(version(Old))
    async with working(jobs):
        await enqueue(engine, OTHER, *(Old(str(number)) for number in range(20)))
        await eventually(lambda: len(done) == 20, 60)
        await eventually(lambda: laid_aside(queue, 2_001), 60)
        # Nor does the worker look at them again.
        taken = await number(queue, PICKED)
        await enqueue(engine, OTHER, Old("one more"))
        await eventually(lambda: len(done) == 21)
        assert await number(queue, PICKED) == taken + 1
    await drop_jobs(queue, [job.id for job in await find_jobs(queue, jobs, state="unknown")], 10)


PICKED = "SELECT count(*) FROM queue.pgqueuer_log WHERE status = 'picked'"


async def laid_aside(queue: Queries, many: int) -> bool:
    query = "SELECT count(*) FROM queue.pgqueuer WHERE entrypoint LIKE 'catalog.greet@%'"
    return await number(queue, query) == many


async def number(queue: Queries, query: str) -> int:
    [row] = await queue.driver.fetch(query)
    return int(str(next(iter(row.values()))))


async def test_its_limit_and_how_long_it_waits_are_kept_while_it_is_laid_aside(
    engine: AsyncEngine, wired: Callable[[Job[Any]], Jobs], working: Any, queue: Queries
) -> None:
    old, new = version(Old, concurrency=1), version(NewField, concurrency=1)
    await enqueue(engine, new, NewField("a"))
    await queue.driver.execute(
        "UPDATE queue.pgqueuer SET execute_after = now() - interval '1 hour'"
    )
    await enqueue(engine, old, Old("b"))
    async with working(wired(old)):
        await eventually(lambda: done)
        await eventually(lambda: laid_aside(queue, 1))
        measured = await measure_queue(queue.driver, wired(old))
    assert done == [("Old", Old("b"))]
    assert timedelta(seconds=measured["catalog"].oldest_due) >= timedelta(hours=1)
    [row] = await queue.browse_queue()
    assert (row.status, row.attempts, row.queue_manager_id) == ("queued", 0, None)
    assert json.loads(row.payload or b"")["newsletter"] is False
