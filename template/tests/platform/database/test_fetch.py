"""Prepared SELECTs: roles, refusals, and a pool that stays clean."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from traceback import format_exception
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from fastapi import APIRouter
from httpx import ASGITransport, AsyncClient
from sqlalchemy import any_, bindparam, cast, Integer, literal_column, select, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError, MultipleResultsFound
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database
from app.platform.database.driver import statements_may_take
from app.platform.database.engine import create_engine
from app.platform.database.errors import BoundaryError, TransactionError, UnreachableError
from app.platform.database.fetch import Prepared, PreparedError
from app.platform.settings.settings import Settings
from app.platform.web.http import create_api

from ..modules.catalog.tables import ItemRow as CatalogRow
from ..modules.ordering.tables import ItemRow as OrderingRow

BY_NAME = Prepared(
    select(CatalogRow.id, CatalogRow.name).where(CatalogRow.name == bindparam("name"))
)
ALL = Prepared(select(CatalogRow.name).order_by(CatalogRow.name))
OF_ORDERING = Prepared(select(OrderingRow.name))
STATE = Prepared(
    select(
        literal_column("current_user::text", String),
        literal_column("current_setting('transaction_read_only')", String),
        literal_column("current_setting('statement_timeout')", String),
    )
)
SLEEP = Prepared(select(literal_column("pg_sleep(5)::text", String)))
PID = Prepared(select(literal_column("pg_backend_pid()", Integer)))
CLEAN = """
SELECT current_user::text, session_user::text, current_setting('search_path'),
       current_setting('transaction_read_only')
"""


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "catalog")


@pytest.fixture
async def narrow(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine with one connection, for which nobody waits for long."""
    few = {"database_pool_size": 1, "database_pool_timeout": 0.05}
    engine = create_engine(settings.model_copy(update={**few, "database_statement_timeout": 29}))
    yield engine
    await engine.dispose()


async def fill(db: Database, *names: str) -> None:
    async with db.transaction() as tx:
        tx.add_all([CatalogRow(owner="me", name=name) for name in names])


async def test_rows_are_tuples_of_the_columns(db: Database) -> None:
    await fill(db, "b", "a")
    assert await db.fetch(ALL) == [("a",), ("b",)]
    found = await db.fetch_one(BY_NAME, name="a")
    assert found is not None
    id, name = found
    assert isinstance(id, UUID)
    assert name == "a"


async def test_no_row_is_none_and_several_are_an_error(db: Database) -> None:
    assert await db.fetch_one(ALL) is None
    await fill(db, "a", "b")
    with pytest.raises(MultipleResultsFound, match="2 rows"):
        await db.fetch_one(ALL)


async def test_it_runs_as_its_module_reads_only_and_has_a_time_limit(engine: AsyncEngine) -> None:
    for module in ("catalog", "ordering", "catalog"):
        found = await Database(engine, module).fetch_one(STATE)
        assert found == (f"app_test__{module}", "on", "5s")


async def test_another_modules_table_is_refused(db: Database, engine: AsyncEngine) -> None:
    with pytest.raises(BoundaryError, match=r"catalog may not touch the schema ordering: call"):
        await db.fetch(OF_ORDERING)
    assert await Database(engine, "ordering").fetch(OF_ORDERING) == []


async def test_nothing_can_be_locked_or_written(db: Database) -> None:
    with pytest.raises(TransactionError, match="only reads"):
        await db.fetch(Prepared(select(CatalogRow.id).with_for_update()))


async def test_it_is_refused_inside_a_transaction(db: Database) -> None:
    async with db.transaction():
        with pytest.raises(TransactionError, match="open already"):
            await db.fetch(ALL)


class Replica:
    """Recent until it fails."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.failures: list[BaseException] = []

    def holds(self, _moment: float) -> bool:
        return not self.failures

    def has_failed(self, error: BaseException) -> None:
        self.failures.append(error)


async def test_it_goes_to_a_recent_replica_and_to_the_primary_when_that_fails(
    engine: AsyncEngine, narrow: AsyncEngine, settings: Settings
) -> None:
    recent: Any = Replica(narrow)
    found = await Database(engine, "catalog", recent).fetch_one(STATE)
    assert found == ("app_test__catalog", "on", "29s")
    nowhere = settings.model_copy(update={"database_url": "postgresql://app_test@127.0.0.1:1/app"})
    gone: Any = Replica(create_engine(nowhere))
    found = await Database(engine, "catalog", gone).fetch_one(STATE)
    assert found == ("app_test__catalog", "on", "5s")
    assert len(gone.failures) == 1


async def test_a_full_pool_refuses(narrow: AsyncEngine) -> None:
    async with narrow.connect():
        with pytest.raises(PoolTimeout):
            await Database(narrow, "catalog").fetch(ALL)


async def test_parameters_must_have_the_right_names(db: Database) -> None:
    with pytest.raises(TypeError, match=r"takes \(name\), not \(id, name\): SELECT catalog"):
        await db.fetch(BY_NAME, name="a", id=1)


async def test_a_parameter_that_does_not_fit_fails_and_leaves_the_connection(
    narrow: AsyncEngine,
) -> None:
    db = Database(narrow, "catalog")
    before = await db.fetch(PID)
    with pytest.raises(DBAPIError, match="expected str, got int"):
        await db.fetch(BY_NAME, name=1)
    assert await db.fetch(PID) == before


def test_what_needs_a_session_is_refused_when_it_is_prepared() -> None:
    with pytest.raises(PreparedError, match="Name the columns"):
        Prepared(select(CatalogRow))
    with pytest.raises(PreparedError, match="any_"):
        Prepared(
            select(CatalogRow.id).where(CatalogRow.name.in_(bindparam("names", expanding=True)))
        )


async def test_a_list_is_one_parameter(db: Database) -> None:
    await fill(db, "a", "b", "c")
    names = bindparam("names", type_=ARRAY(Text))
    among = Prepared(select(CatalogRow.name).where(CatalogRow.name == any_(names)).limit(5))
    assert sorted(await db.fetch(among, names=["a", "c"])) == [("a",), ("c",)]


async def test_a_statement_that_takes_too_long_is_a_503_and_leaves_the_connection(
    narrow: AsyncEngine, settings: Settings, bearer: Callable[[str], dict[str, str]]
) -> None:
    db, router = Database(narrow, "catalog"), APIRouter()

    @router.get("/")
    async def sleep() -> None:
        with statements_may_take(0.05):
            await db.fetch(SLEEP)

    before = await db.fetch(PID)
    api = create_api({"catalog": router}, None, settings, narrow)  # type: ignore[arg-type]
    async with AsyncClient(transport=ASGITransport(api), base_url="http://app") as client:
        response = await client.get("/catalog/", headers=bearer("me"))
    assert response.status_code == 503
    assert "Retry-After" not in response.headers  # It would take as long again.
    assert await db.fetch(PID) == before


@pytest.mark.parametrize(
    ("secret", "said"),
    [("x1c9", "invalid input syntax for type integer"), ("5417908263", "out of range for type")],
)
async def test_no_error_quotes_a_value(db: Database, secret: str, said: str) -> None:
    number = Prepared(select(cast(bindparam("value", type_=Text), Integer)))
    with pytest.raises(DBAPIError, match=said) as caught:
        await db.fetch(number, value=secret)
    assert secret not in "".join(format_exception(caught.value))


async def test_who_asks_again_and_again_takes_nothing_from_those_who_wait(
    settings: Settings,
) -> None:
    engine = create_engine(settings.model_copy(update={"database_pool_size": 1}))
    db, turns, is_over = Database(engine, "catalog"), 0, False

    async def ask_again_and_again() -> None:
        nonlocal turns
        while not is_over:
            await db.fetch(ALL)
            turns += 1

    async with asyncio.TaskGroup() as asking:
        for _ in range(3):
            asking.create_task(ask_again_and_again())
        for use in (db.fetch(ALL), fill(db, "tea"), db.fetch(ALL)):
            before = turns
            await use
            assert turns - before < 20
        is_over = True
    await engine.dispose()


async def test_a_missing_role_fails_and_leaves_no_broken_connection(narrow: AsyncEngine) -> None:
    with pytest.raises(DBAPIError, match='role "app_test__nobody" does not exist'):
        await Database(narrow, "nobody").fetch(ALL)
    assert await Database(narrow, "catalog").fetch(ALL) == []


async def cancel(_connection: asyncpg.Connection, _settings: Settings) -> None:
    """The caller goes away while the message is on its way."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


async def kill(connection: asyncpg.Connection, settings: Settings) -> None:
    """Postgres ends the connection."""
    other = await asyncpg.connect(settings.database_url)
    try:
        await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    finally:
        await other.close()


async def test_a_connection_that_broke_in_the_pool_is_not_used(
    narrow: AsyncEngine, settings: Settings
) -> None:
    db = Database(narrow, "catalog")
    before = await db.fetch(PID)
    async with narrow.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
    await kill(driver, settings)
    while not driver.is_closed():
        await asyncio.sleep(0.01)
    assert await db.fetch(PID) != before


def before_each_message(
    patch: pytest.MonkeyPatch, act: Callable[[asyncpg.Connection, str], Awaitable[None]]
) -> None:
    def watch(send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def watched(
            connection: asyncpg.Connection, query: str, *args: object, **options: object
        ) -> Any:
            await act(connection, query)
            return await send(connection, query, *args, **options)

        return watched

    for name in ("execute", "fetch"):
        patch.setattr(asyncpg.Connection, name, watch(getattr(asyncpg.Connection, name)))


@pytest.mark.parametrize(
    ("strike", "expected"),
    [(cancel, asyncio.CancelledError), (kill, UnreachableError)],
)
@pytest.mark.parametrize("at", ["BEGIN", "SELECT", "COMMIT", "ROLLBACK"])
async def test_a_fetch_that_is_struck_at_a_message_leaves_no_broken_connection(
    narrow: AsyncEngine,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    at: str,
    strike: Callable[[asyncpg.Connection, Settings], Awaitable[None]],
    expected: type[BaseException],
) -> None:
    db, struck = Database(narrow, "catalog"), False

    async def once(connection: asyncpg.Connection, query: str) -> None:
        nonlocal struck
        if query.startswith(at) and not struck:
            struck = True
            await strike(connection, settings)

    await db.fetch(PID)
    with monkeypatch.context() as patch:
        before_each_message(patch, once)
        fetching = asyncio.create_task(db.fetch(OF_ORDERING if at == "ROLLBACK" else ALL))
        [outcome] = await asyncio.gather(fetching, return_exceptions=True)
    assert struck
    # What it is rolled back for is told, whatever becomes of that.
    assert isinstance(outcome, BoundaryError if (at, strike) == ("ROLLBACK", kill) else expected)
    assert await db.fetch_one(STATE) == ("app_test__catalog", "on", "29s")
    await assert_clean(narrow, 1)


async def test_the_pool_hands_out_clean_connections_after_a_storm_of_cancellations(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(settings.model_copy(update={"database_pool_size": 4}))
    db, chance = Database(engine, "catalog"), random.Random(1)

    async def now_and_then(connection: asyncpg.Connection, _query: str) -> None:
        if chance.random() < 0.2:
            await cancel(connection, settings)

    async def one_after_the_other() -> int:
        fetching = (db.fetch(chance.choice([ALL, STATE, OF_ORDERING])) for _ in range(30))
        outcomes = [
            (await asyncio.gather(asyncio.create_task(each), return_exceptions=True))[0]
            for each in fetching
        ]
        assert all(
            isinstance(each, list | asyncio.CancelledError | BoundaryError) for each in outcomes
        )
        return sum(isinstance(each, asyncio.CancelledError) for each in outcomes)

    with monkeypatch.context() as patch:
        before_each_message(patch, now_and_then)
        cancelled = await asyncio.gather(*(one_after_the_other() for _ in range(8)))
    assert sum(cancelled) > 50
    await assert_clean(engine, 4)
    await engine.dispose()


async def assert_clean(engine: AsyncEngine, size: int) -> None:
    async with AsyncExitStack() as held:
        for _ in range(size):
            connection = await held.enter_async_context(engine.connect())
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            assert not driver.is_in_transaction()
            assert await driver.fetchrow(CLEAN) == ("app_test", "app_test", "extensions", "off")


async def test_a_timer_that_has_rung_for_another_still_ends_one_that_is_late(
    engine: AsyncEngine,
) -> None:
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        driver._ring_at(asyncio.get_running_loop().time() + 0.05)  # By one that ended before it.
        await driver.in_time(driver.execute("SELECT pg_sleep(0.1)"), 60)
        process = driver.get_server_pid()
        with pytest.raises(TimeoutError):  # Before Postgres answers.
            await driver.in_time(driver.execute("SELECT pg_sleep(60)"), 0.2)
        assert driver.is_closed()
        await connection.invalidate()
        async with engine.connect() as other:  # It would sleep on.
            await other.execute(text(f"SELECT pg_terminate_backend({process}, 30000)"))
