"""Reads from a real streaming replica. Runs inside a generated repository with catalog and ordering."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from app.main import create_app
from app.modules.catalog.tables import ItemRow
from app.platform.database import Database, Replica, UnreachableError, create_engine
from app.platform.database.reading import ReadYourWrites, is_recent
from app.platform.settings import Settings
from httpx import ASGITransport, AsyncClient
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from .replica import Server
from .servers import LOGIN, eventually, tell, will

WHERE = text("SELECT pg_is_in_recovery()")
WRITTEN = "SELECT pg_current_wal_insert_lsn()"


@asynccontextmanager
async def reading_from(
    settings: Settings, *, until_recent: bool = True
) -> AsyncIterator[tuple[Database, Replica]]:
    """Yield catalog's database and its replica, which is watched."""
    assert settings.database_replica_url
    replica = Replica(settings, settings.database_replica_url)
    engine = create_engine(settings)
    try:
        async with replica.watched():
            if until_recent:
                await eventually(lambda: is_recent(replica))
            yield Database(engine, "catalog", replica), replica
    finally:
        await engine.dispose()


async def reads_replica(db: Database) -> bool:
    async with db.read() as reading:
        return bool(await reading.scalar(WHERE))


async def write(db: Database) -> str:
    name = uuid4().hex
    async with db.transaction() as tx:
        tx.add(ItemRow(owner="me", name=name))
    return name


async def is_there(db: Database, name: str) -> bool:
    async with db.read() as reading:
        return await reading.scalar(select(ItemRow).where(ItemRow.name == name)) is not None


async def elsewhere(act: Callable[[], Awaitable[object]]) -> None:
    """Do something as a request of its own."""

    async def app(*_: object) -> None:
        await act()

    await ReadYourWrites(app)({}, None, None)  # type: ignore[arg-type]


async def test_reads_go_to_the_replica_as_the_module(settings: Settings) -> None:
    async with reading_from(settings) as (db, _):
        assert await reads_replica(db)
        async with db.read() as reading:
            assert await reading.scalar(text("SELECT current_user")) == f"{LOGIN}__catalog"
        async with db.transaction() as tx:
            assert await tx.scalar(WHERE) is False


async def test_a_request_sees_what_it_has_written_and_others_may_wait_for_it(
    settings: Settings, standby: Server
) -> None:
    async with reading_from(settings) as (db, _):
        await tell(standby, "SELECT pg_wal_replay_pause()")
        try:
            name = await write(db)
            assert await is_there(db, name)
            assert not await reads_replica(db)

            async def somebody_else() -> None:
                assert await reads_replica(db)
                assert not await is_there(db, name)

            await elsewhere(somebody_else)
        finally:
            await tell(standby, "SELECT pg_wal_replay_resume()")
        await will(lambda: reads_replica(db))
        assert await is_there(db, name)


async def test_what_a_task_of_the_request_has_written_is_seen_too(
    settings: Settings, standby: Server
) -> None:
    async with reading_from(settings) as (db, _):

        async def request() -> None:
            [name] = await asyncio.gather(write(db))
            assert await is_there(db, name)

        await tell(standby, "SELECT pg_wal_replay_pause()")
        try:
            await elsewhere(request)
        finally:
            await tell(standby, "SELECT pg_wal_replay_resume()")


async def test_a_lagging_replica_is_not_read_until_it_has_caught_up(
    settings: Settings, standby: Server, caplog: pytest.LogCaptureFixture
) -> None:
    strict = settings.model_copy(update={"database_replica_max_lag": 2})
    async with reading_from(strict) as (db, replica):
        await tell(standby, "SELECT pg_wal_replay_pause()")
        try:
            await elsewhere(lambda: write(db))
            await eventually(lambda: not is_recent(replica))
            assert not await reads_replica(db)
            await eventually(lambda: "the replica is 2 s behind" in caplog.text)
        finally:
            await tell(standby, "SELECT pg_wal_replay_resume()")
        await will(lambda: reads_replica(db))


async def test_a_primary_on_which_nothing_happens_makes_no_lag(
    settings: Settings, primary: Server, standby: Server
) -> None:
    async def holds_what_comes_after_its_pause() -> bool:
        """Return False where something happened: now and then Postgres writes its log by itself."""
        await tell(standby, "SELECT pg_wal_replay_pause()")  # As if it had lost its primary.
        try:
            paused, before = time.monotonic(), await tell(primary, WRITTEN)
            while time.monotonic() - replica.lag() <= paused:
                if await tell(primary, WRITTEN) != before:
                    return False
                await asyncio.sleep(0.1)
            return await reads_replica(db)
        finally:
            await tell(standby, "SELECT pg_wal_replay_resume()")

    async with reading_from(settings) as (db, replica):
        await will(holds_what_comes_after_its_pause)


async def test_a_replica_that_has_stopped_is_not_missed(
    settings: Settings, standby: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with reading_from(settings) as (db, replica):
        assert await reads_replica(db)
        standby.stop(at_once=True)
        try:
            assert is_recent(replica)
            assert not await reads_replica(db)
            assert "A read failed on the replica and goes to the primary" in caplog.text
            assert not is_recent(replica)
        finally:
            standby.start()
        await will(lambda: reads_replica(db))


async def test_a_replica_that_stops_between_two_queries_fails_the_read(
    settings: Settings, standby: Server
) -> None:
    async with reading_from(settings) as (db, _):
        with pytest.raises(UnreachableError):
            async with db.read() as reading:
                assert await reading.scalar(WHERE)
                standby.stop(at_once=True)
                try:
                    await reading.scalar(WHERE)
                finally:
                    standby.start()


async def test_a_replica_that_has_frozen_is_not_waited_for(
    settings: Settings, standby: Server
) -> None:
    impatient = settings.model_copy(update={"database_statement_timeout": 2})
    async with reading_from(impatient) as (db, replica):
        await will(lambda: reads_replica(db))
        with standby.frozen():
            assert not await reads_replica(db)
            assert not is_recent(replica)
        await will(lambda: reads_replica(db))


async def test_a_query_in_the_way_of_the_replay_is_put_to_the_primary(
    settings: Settings, primary: Server, standby: Server
) -> None:
    await tell(standby, "ALTER SYSTEM SET max_standby_streaming_delay = '10ms'")
    await tell(standby, "SELECT pg_reload_conf()")
    patient = settings.model_copy(update={"database_statement_timeout": 60})
    async with reading_from(patient) as (db, replica):

        async def read_slowly() -> bool:
            async with db.read() as reading:
                # There, far longer than it takes until the lock below arrives.
                slow = (
                    "SELECT pg_is_in_recovery() WHERE 0 <= (SELECT count(*) FROM catalog.items, "
                    "pg_sleep(CASE WHEN pg_is_in_recovery() THEN 50 ELSE 0 END))"
                )
                return bool(await reading.scalar(text(slow)))

        await elsewhere(lambda: write(db))
        await eventually(lambda: is_recent(replica))
        reading = asyncio.create_task(read_slowly())
        await running(standby, "%pg_sleep(CASE%")
        await tell(primary, "TRUNCATE catalog.items")
        assert await reading is False
        assert is_recent(replica)
    await tell(standby, "ALTER SYSTEM RESET max_standby_streaming_delay")
    await tell(standby, "SELECT pg_reload_conf()")


async def test_what_a_migration_has_made_is_found_before_the_replica_has_it(
    settings: Settings, primary: Server, standby: Server
) -> None:
    async with reading_from(settings) as (db, replica):
        await tell(standby, "SELECT pg_wal_replay_pause()")
        try:
            name = f"new_{uuid4().hex}"
            await tell(primary, f"CREATE TABLE catalog.{name} AS SELECT 1 AS one")
            await tell(primary, f"GRANT SELECT ON catalog.{name} TO {LOGIN}__catalog")
            assert is_recent(replica)
            async with db.read() as reading:
                assert await reading.scalar(text(f"SELECT one FROM catalog.{name}")) == 1
            assert is_recent(replica)
        finally:
            await tell(standby, "SELECT pg_wal_replay_resume()")


async def running(server: Server, query: str) -> None:
    """Wait until a query runs."""
    question = f"SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '{query}' AND state = 'active'"
    async with asyncio.timeout(60):
        while not await tell(server, question):
            await asyncio.sleep(0.02)


async def test_a_query_that_takes_too_long_is_not_put_to_the_primary(settings: Settings) -> None:
    impatient = settings.model_copy(update={"database_statement_timeout": 1})
    async with reading_from(impatient) as (db, _):
        with pytest.raises(DBAPIError, match="statement timeout"):
            async with db.read() as reading:
                await reading.scalar(text("SELECT pg_sleep(60)"))


async def test_a_server_that_is_no_replica_is_never_read(
    settings: Settings, primary: Server, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = settings.model_copy(update={"database_replica_url": primary.url(user=LOGIN)})
    async with reading_from(wrong, until_recent=False) as (db, replica):
        await eventually(lambda: "leads to a server that is no replica" in caplog.text)
        assert not is_recent(replica)
        assert not await reads_replica(db)


async def test_the_application_reads_the_replica(
    settings: Settings, standby: Server, bearer: Callable[..., dict[str, str]]
) -> None:
    """Postgres counts how often a table was read."""
    counted = (
        "SELECT sum(seq_scan + idx_scan) FROM pg_stat_user_tables WHERE schemaname = 'catalog'"
    )
    before = await tell(standby, counted)
    api = create_app(settings)
    transport = ASGITransport(api)
    async with (
        asyncio.timeout(60),
        api.router.lifespan_context(api),
        AsyncClient(transport=transport, base_url="http://app", headers=bearer("me")) as client,
    ):
        while await tell(standby, counted) == before:
            assert (await client.get("/catalog/items")).status_code == 200
            await asyncio.sleep(0.05)
