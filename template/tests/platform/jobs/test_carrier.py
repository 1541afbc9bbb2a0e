"""Jobs cross between the queues of two databases, each once, whoever dies when."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database, Tx
from app.platform.database.engine import close, create_engine
from app.platform.database.gates import Gate
from app.platform.database.side_watch import watched
from app.platform.database.sides import Side, sides_of
from app.platform.jobs.crossing import carry, finish, Queue
from app.platform.jobs.jobs import Delivery, Job, job
from app.platform.jobs.queue import connect_as_queue, queries_on
from app.platform.jobs.records import find_jobs
from app.platform.jobs.worker import Worker
from app.platform.settings.settings import Settings
from app.platform.wiring.modules import ModuleFolder
from app.platform.wiring.wiring import wire, Wired

from ..modules.catalog import Catalog, ItemCreated
from ..moving import eventually, Gates

COUNT = "SELECT count(*) FROM queue.pgqueuer"
CLOCK = "app worker clock"
NOTES = "SELECT count(*) FROM queue.arrived"


@dataclass(frozen=True)
class Named:
    name: str = "by the clock"


ran: list[tuple[str, str]] = []
"""Names and keys, of jobs that ended."""
events: dict[str, asyncio.Event] = {}
"""Of each test's own loop: that a job has begun, and that it may end."""


@job(retries=2)
async def ours(tx: Tx, named: Named, delivery: Delivery) -> None:
    where = await tx.scalar(text("SELECT current_database()"))
    tx.after_commit(lambda: told(f"{named.name} in {where}", delivery.key))


async def told(name: str, key: str) -> None:
    ran.append((name, key))


@job()
async def alone(named: Named, delivery: Delivery) -> None:
    events["begun"].set()
    await events["may_end"].wait()
    ran.append((named.name, delivery.key))


@job()
async def slow(tx: Tx, named: Named, delivery: Delivery) -> None:
    """Speaks to the network before it speaks to the database."""
    events["begun"].set()
    await events["may_end"].wait()
    where = await tx.scalar(text("SELECT current_database()"))
    tx.after_commit(lambda: told(f"{named.name} in {where}", delivery.key))


@job(retries=0)
async def failing(_tx: Tx, _named: Named) -> None:
    raise ValueError("no such thing")


@job()
async def theirs(_tx: Tx, _named: Named) -> None: ...


async def hear(_tx: Tx, _event: ItemCreated) -> None: ...


for each in (ours, alone, slow, failing):
    each.function.__module__ = "tests.platform.modules.catalog.jobs"
theirs.function.__module__ = "tests.platform.modules.ordering.jobs"


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()
    events.update(begun=asyncio.Event(), may_end=asyncio.Event())


@pytest.fixture
async def process(moving: Settings, gates: Gates) -> AsyncIterator[AsyncEngine]:
    """The engine of a process that keeps to the open side."""
    engine = create_engine(moving)
    async with watched(sides_of(moving)):
        yield engine
    await close(engine)


@pytest.fixture
def wired(folders: list[ModuleFolder], process: AsyncEngine) -> Wired:
    return wire([with_these(folder) for folder in folders], process)


def with_these(folder: ModuleFolder) -> ModuleFolder:
    given: dict[str, Any] = {"jobs": [], "subscriptions": {}}
    if folder.name == "catalog":
        given["jobs"] = [ours, alone, slow, failing]
    if folder.name == "ordering":
        given = {"jobs": [theirs], "subscriptions": {ItemCreated: hear}}
    return replace(folder, declaration=replace(folder.declaration, **given))


@pytest.fixture
async def queues(moving: Settings, gates: Gates) -> AsyncIterator[dict[Side, Queue]]:
    sides = sides_of(moving)
    assert sides
    async with AsyncExitStack() as all:
        yield {
            side: Queue(
                side,
                await all.enter_async_context(connect_as_queue(moving, 20, sides.urls[side])),
                "catalog",
            )
            for side in Side
        }


@pytest.fixture
async def monolith(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The engine of the others, who know of no other database."""
    engine = create_engine(settings)
    yield engine
    await close(engine)


@pytest.fixture
def working(moving: Settings, process: AsyncEngine, wired: Wired) -> Callable[..., Any]:
    """Run a worker of the module that has a database of its own."""

    @asynccontextmanager
    async def working(**different: object) -> AsyncIterator[Worker]:
        jobs = {name: each for name, each in wired.jobs.items() if each.module == "catalog"}
        settings = moving.model_copy(update=different)
        worker = Worker(settings, process, jobs, wired.known)
        async with worker.in_background():
            yield worker

    return working


async def enqueue(engine: AsyncEngine, job: Job[Named], *names: str, **how: Any) -> None:
    async with Database(engine, "ordering").transaction() as tx:
        for name in names:
            await job.enqueue(tx, Named(name), **how)


async def count(queue: Queue, what: str = COUNT) -> int:
    return int(await queue.connection.fetchval(what))


async def test_what_others_enqueue_is_run_where_the_data_are_a_moment_later(
    working: Callable[..., Any],
    gates: Gates,
    queues: dict[Side, Queue],
    monolith: AsyncEngine,
) -> None:
    await gates.move(Side.MAIN, Side.OWN)
    own = await gates.admins[Side.OWN].fetchval("SELECT current_database()")
    async with working():
        await enqueue(monolith, ours, "warm up")
        await eventually(lambda: len(ran) == 1)
        await enqueue(monolith, ours, *(f"{number}" for number in range(250)))
        await eventually(lambda: len(ran) == 251)
        assert {name for name, _ in ran[1:]} == {f"{number} in {own}" for number in range(250)}
        assert len({key for _, key in ran}) == 251
        assert all(key.startswith("catalog.ours-") for _, key in ran)

    async def is_empty() -> bool:
        return not sum([await count(each) for each in queues.values()])

    await eventually(is_empty)


async def test_what_it_publishes_reaches_the_others(
    working: Callable[..., Any],
    gates: Gates,
    queues: dict[Side, Queue],
    process: AsyncEngine,
    wired: Wired,
) -> None:
    await gates.move(Side.MAIN, Side.OWN)
    async with working():
        async with Database(process, "catalog").transaction() as tx:
            await wired[Catalog].create_item(tx, "me", "pen")
            await theirs.enqueue(tx, Named())

        async def has_arrived() -> bool:
            return [await count(each) for each in queues.values()] == [2, 0]

        await eventually(has_arrived)
    names = await queues[Side.MAIN].connection.fetch("SELECT entrypoint FROM queue.pgqueuer")
    assert {row["entrypoint"] for row in names} == {"ordering.hear", "ordering.theirs"}


async def test_what_was_left_in_the_own_queue_comes_home(
    working: Callable[..., Any],
    gates: Gates,
    queues: dict[Side, Queue],
    process: AsyncEngine,
) -> None:
    await gates.move(Side.MAIN, Side.OWN)
    await eventually(lambda: sides_of_engine(process) is Side.OWN)
    await enqueue(process, ours, "left")
    await enqueue(process, theirs, "left")
    assert await count(queues[Side.OWN]) == 2
    await gates.move(Side.OWN, Side.MAIN)
    async with working():
        await eventually(lambda: len(ran) == 1)

        async def is_home() -> bool:
            return await count(queues[Side.OWN]) == 0 and await count(queues[Side.MAIN]) == 1

        await eventually(is_home)


def sides_of_engine(engine: AsyncEngine) -> Side | None:
    sides = engine.pool.sides  # type: ignore[attr-defined]
    return sides.place.side if sides.place else None


async def test_all_that_is_known_of_a_job_goes_along(
    moving: Settings, queues: dict[Side, Queue], monolith: AsyncEngine, wired: Wired
) -> None:
    main, own = queues[Side.MAIN], queues[Side.OWN]
    await enqueue(monolith, ours, "later", delay=timedelta(hours=1), priority=7, key="only one")
    await enqueue(monolith, failing, "held")
    await enqueue(monolith, ours, "aside")
    await main.connection.execute(
        "UPDATE queue.pgqueuer SET entrypoint = 'catalog.ours@0123456789ab', attempts = 1, "
        """headers = headers || '{"misfit": {"0123456789ab": "why"}}' WHERE id = 3"""
    )
    await main.connection.execute("UPDATE queue.pgqueuer SET status = 'failed' WHERE id = 2")
    await main.connection.execute(
        "INSERT INTO queue.pgqueuer_log (job_id, status, entrypoint, priority, traceback) VALUES "
        "(2, 'failed', 'catalog.failing', 0, $1)",
        '{"job_id": 2, "timestamp": "2026-01-01T00:00:00Z", "exception_type": "ValueError", '
        '"exception_message": "no such thing", "traceback": "Traceback …", "additional_context": null}',
    )
    columns = "priority, entrypoint, payload, execute_after, created, attempts, dedupe_key, status"
    seen = f"SELECT {columns} FROM queue.pgqueuer ORDER BY created, entrypoint"
    before = await main.connection.fetch(seen)
    names = {row["entrypoint"] for row in before}
    assert not await carry(main, own, names)
    assert await own.connection.fetch(seen) == before
    assert await count(main) == await count(own, NOTES) == 0
    keys = "SELECT headers ->> 'key' FROM queue.pgqueuer ORDER BY created, entrypoint"
    first = [row[0] for row in await own.connection.fetch(keys)]
    assert set(first) == {"catalog.ours-1", "catalog.failing-2", "catalog.ours-3"}
    (held,) = await find_jobs(queries_on(own.connection), wired.known, state="held")
    assert held.error == "ValueError: no such thing"
    await carry(own, main, names)
    await carry(main, own, names)
    assert [row[0] for row in await own.connection.fetch(keys)] == first


async def test_a_key_that_is_taken_there_drops_what_arrives(
    queues: dict[Side, Queue], monolith: AsyncEngine
) -> None:
    main, own = queues[Side.MAIN], queues[Side.OWN]
    for name in ("first", "second"):
        await enqueue(monolith, ours, name, key="only one")
        await carry(main, own, ["catalog.ours"])
    assert await count(main) == await count(own, NOTES) == 0
    assert await count(own) == 1


class Dying:
    """A connection that dies before its nth statement, or behind it."""

    def __init__(self, connection: asyncpg.Connection, statement: int, *, behind: bool) -> None:
        self._connection, self._left, self._behind = connection, statement, behind

    async def _count(self, ask: Any, *given: object) -> Any:
        self._left -= 1
        if not self._left and not self._behind:
            self._connection.terminate()
        answer = await ask(*given)
        if not self._left:
            self._connection.terminate()
            raise ConnectionError("as if the network had gone")
        return answer

    async def fetch(self, *given: object) -> Any:
        return await self._count(self._connection.fetch, *given)

    async def execute(self, *given: object) -> Any:
        return await self._count(self._connection.execute, *given)

    def transaction(self) -> Any:
        return self._connection.transaction()


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("statement", [1, 2, 3])
@pytest.mark.parametrize("behind", [False, True])
async def test_whoever_dies_between_two_statements_loses_and_doubles_nothing(
    moving: Settings,
    queues: dict[Side, Queue],
    monolith: AsyncEngine,
    side: Side,
    statement: int,
    behind: bool,
) -> None:
    main, own = queues[Side.MAIN], queues[Side.OWN]
    await enqueue(monolith, ours, *"abc")
    sides = sides_of(moving)
    assert sides
    async with connect_as_queue(moving, 20, sides.urls[side]) as connection:
        dying = Queue(side, Dying(connection, statement, behind=behind), "catalog")  # type: ignore[arg-type]
        one, other = (dying, own) if side is Side.MAIN else (main, dying)
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await carry(one, other, ["catalog.ours"])

    async def is_free() -> bool:
        rows = await main.connection.fetch("SELECT FROM queue.pgqueuer FOR UPDATE SKIP LOCKED")
        return len(rows) == await count(main)

    await eventually(is_free)
    await finish(main, own)
    await carry(main, own, ["catalog.ours"])
    assert [await count(main), await count(own), await count(own, NOTES)] == [0, 3, 0]


async def test_what_was_carried_by_half_is_not_taken_where_it_came_from(
    working: Callable[..., Any],
    moving: Settings,
    queues: dict[Side, Queue],
    monolith: AsyncEngine,
) -> None:
    main, own = queues[Side.MAIN], queues[Side.OWN]
    await enqueue(monolith, ours, *"abc")
    async with connect_as_queue(moving, 20, moving.database_url) as connection:
        dying = Queue(Side.MAIN, Dying(connection, 2, behind=False), "catalog")  # type: ignore[arg-type]
        with pytest.raises((OSError, asyncpg.InterfaceError)):
            await carry(dying, own, ["catalog.ours"])
    assert [await count(main), await count(own), await count(own, NOTES)] == [3, 3, 3]
    async with working():
        await eventually(lambda: len(ran) == 3)

        async def is_over() -> bool:
            return not sum([await count(main), await count(own), await count(own, NOTES)])

        await eventually(is_over)
    assert sorted(key for _, key in ran) == [f"catalog.ours-{number}" for number in (1, 2, 3)]


async def test_two_modules_with_databases_of_their_own_note_apart_what_they_sent(
    queues: dict[Side, Queue], monolith: AsyncEngine, process: AsyncEngine
) -> None:
    main, own = queues[Side.MAIN], queues[Side.OWN]
    await enqueue(monolith, theirs, "of billing")
    billing = Queue(Side.OWN, main.connection, "billing")  # Any queue will do in its place.
    note = "INSERT INTO queue.arrived (source, id) SELECT $1, id FROM queue.pgqueuer"
    await main.connection.execute(note, billing.source)
    await finish(own, main)
    assert await count(main, NOTES) == 1, "whoever died could not tell any more that it arrived"
    await own.connection.execute(
        "INSERT INTO queue.pgqueuer (id, priority, entrypoint, created, execute_after, status) "
        "VALUES (1, 0, 'ordering.theirs', now(), now(), 'queued')"
    )
    await carry(own, main, ["ordering.theirs"])
    assert await count(main) == 2


async def test_several_carriers_carry_each_job_once(
    moving: Settings, monolith: AsyncEngine, queues: dict[Side, Queue]
) -> None:
    await enqueue(monolith, ours, *(f"{number}" for number in range(1000)))
    sides = sides_of(moving)
    assert sides

    async def carry_all() -> None:
        async with (
            connect_as_queue(moving, 20, sides.urls[Side.MAIN]) as main,
            connect_as_queue(moving, 20, sides.urls[Side.OWN]) as own,
        ):
            one, other = Queue(Side.MAIN, main, "catalog"), Queue(Side.OWN, own, "catalog")
            while await carry(one, other, ["catalog.ours"]):
                await finish(one, other)

    await asyncio.gather(*(carry_all() for _ in range(4)))
    await carry_all()
    payloads = "SELECT count(DISTINCT payload) FROM queue.pgqueuer"
    own = queues[Side.OWN]
    assert [await count(own), await count(own, payloads), await count(own, NOTES)] == [
        1000,
        1000,
        0,
    ]
    assert await count(queues[Side.MAIN]) == 0


async def test_what_runs_while_the_data_move_ends_once(
    working: Callable[..., Any],
    gates: Gates,
    queues: dict[Side, Queue],
    process: AsyncEngine,
) -> None:
    own = await gates.admins[Side.OWN].fetchval("SELECT current_database()")
    async with working(worker_lost_after=1):
        await enqueue(process, alone, "alone")
        await events["begun"].wait()
        events["begun"].clear()
        await enqueue(process, slow, "slow")
        await events["begun"].wait()
        await gates.move(Side.MAIN, Side.OWN)
        await eventually(lambda: sides_of_engine(process) is Side.OWN)
        await asyncio.sleep(2.5)  # Longer than a silent worker keeps a job.
        assert not ran
        events["may_end"].set()
        await eventually(lambda: len(ran) == 2)

        async def is_empty() -> bool:
            return not sum([await count(each) for each in queues.values()])

        await eventually(is_empty)
    assert sorted(ran) == [("alone", "catalog.alone-1"), (f"slow in {own}", "catalog.slow-2")]


async def test_a_worker_takes_nothing_while_no_side_is_open_and_complains_of_nothing(
    working: Callable[..., Any],
    gates: Gates,
    queues: dict[Side, Queue],
    monolith: AsyncEngine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        async with working():
            await enqueue(monolith, ours, "before")
            await eventually(lambda: len(ran) == 1)
            await gates.close(Side.MAIN)
            await enqueue(monolith, ours, *"abc")
            await asyncio.sleep(0.3)
            assert len(ran) == 1
            taken = "SELECT count(*) FROM queue.pgqueuer WHERE status <> 'queued'"
            assert await count(queues[Side.MAIN], taken) == 0
            await gates.set(Side.OWN, Gate.OPEN)
            await eventually(lambda: len(ran) == 4)
    said = [each for each in caplog.records if each.levelno > logging.INFO]
    assert not said


async def test_whatever_else_a_process_has_open_goes_along(
    working: Callable[..., Any],
    moving: Settings,
    gates: Gates,
    monolith: AsyncEngine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "app"):
        async with working(worker_lost_after=4):
            await enqueue(monolith, alone, "which has its heartbeats")
            await events["begun"].wait()
            for source, target in ((Side.MAIN, Side.OWN), (Side.OWN, Side.MAIN)):
                await gates.move(source, target)
                name = await gates.admins[target].fetchval("SELECT current_database()")

                async def is_there(source: Side = source, target: Side = target) -> bool:
                    clocks = [await gates.sessions(each, CLOCK) for each in (source, target)]
                    return clocks == [0, 1]

                await eventually(is_there)
                async with connect_as_queue(moving) as asked:  # As gauges do, and `app jobs`.
                    assert await asked.fetchval("SELECT current_database()") == name
            assert [each.getMessage() for each in caplog.records] == [
                "The data of catalog are in its own database.",
                "The data of catalog are in the main database.",
            ]
            events["may_end"].set()


async def test_what_dead_workers_left_is_carried_as_well(
    working: Callable[..., Any],
    gates: Gates,
    queues: dict[Side, Queue],
    monolith: AsyncEngine,
) -> None:
    await enqueue(monolith, ours, "orphan")
    await queues[Side.MAIN].connection.execute(
        "UPDATE queue.pgqueuer SET status = 'picked', queue_manager_id = gen_random_uuid(), "
        "heartbeat = now() - interval '1 hour'"
    )
    await gates.move(Side.MAIN, Side.OWN)
    async with working():
        await eventually(lambda: len(ran) == 1)


async def test_what_is_due_by_the_clock_is_known_on_the_other_side(
    working: Callable[..., Any], gates: Gates, queues: dict[Side, Queue]
) -> None:
    await queues[Side.MAIN].connection.execute(
        "INSERT INTO queue.pgqueuer_schedules (expression, entrypoint, last_run) "
        "VALUES ('0 3 * * *', 'catalog.nightly', '2026-11-29T03:00:00Z'), "
        "('0 3 * * *', 'ordering.nightly', '2026-11-29T03:00:00Z')"
    )
    async with working():
        await gates.move(Side.MAIN, Side.OWN)
        known = "SELECT entrypoint FROM queue.pgqueuer_schedules"

        async def is_known() -> bool:
            rows = await queues[Side.OWN].connection.fetch(known)
            return [row[0] for row in rows] == ["catalog.nightly"]

        await eventually(is_known)
