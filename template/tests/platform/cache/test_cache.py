"""The cache, in memory, or in the Redis that CACHE_URL names."""

import asyncio
import os
import pickle
from collections.abc import AsyncIterator
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime, UTC
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.cache import store as cache_store
from app.platform.cache.cache import Cache, Cached
from app.platform.cache.store import CacheStore
from app.platform.database.database import Database
from app.platform.database.errors import OutcomeUnknownError, TransactionError
from app.platform.database.transaction import view_of
from app.platform.settings import MEMORY

URL = os.environ.get("CACHE_URL", MEMORY)


@dataclass(frozen=True, slots=True)
class Price:
    id: UUID
    amount: Decimal
    since: datetime


PRICES = [Price(uuid4(), Decimal(f"{number}.50"), datetime.now(UTC)) for number in (1, 2)]


class Source:
    """Where values come from: it counts how often it was asked."""

    def __init__(self) -> None:
        self.value = PRICES[0]
        self.asked = 0
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def load(self) -> Price:
        self.asked += 1
        value = self.value  # Read now, handed out later.
        await self.answers.wait()
        if self.error:
            raise self.error
        return value


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer to answer than a process waits for its cache."""
    monkeypatch.setattr(cache_store, "CACHE", 60.0)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def store() -> AsyncIterator[CacheStore]:
    store = CacheStore(URL)
    yield store
    await store.close()


@pytest.fixture
def module() -> str:
    """A module of which nothing is stored yet."""
    return f"m{uuid4().hex}"


@pytest.fixture
def prices(store: CacheStore, module: str) -> Cached[Price]:
    return Cache(store, module).of("price", Price, ttl=60)


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "catalog")


async def asked(source: Source) -> None:
    """Wait until the source is being asked."""
    before = source.asked
    async with asyncio.timeout(30):
        while source.asked == before:
            await asyncio.sleep(0.005)


async def test_a_value_is_loaded_once_and_comes_back_as_it_was(
    prices: Cached[Price], source: Source
) -> None:
    found = [await prices.get("a", source.load) for _ in range(3)]
    assert found == [PRICES[0]] * 3
    assert source.asked == 1


async def test_a_stampede_causes_one_load(prices: Cached[Price], source: Source) -> None:
    found = await asyncio.gather(*(prices.get("a", source.load) for _ in range(50)))
    assert found == [PRICES[0]] * 50
    assert source.asked == 1


async def test_a_value_is_forgotten_when_its_time_is_over(
    store: CacheStore, module: str, source: Source
) -> None:
    prices = Cache(store, module).of("price", Price, ttl=0.05)
    await prices.get("a", source.load)
    await asyncio.sleep(0.1)
    await prices.get("a", source.load)
    assert source.asked == 2


async def test_modules_cannot_reach_each_others_values(
    store: CacheStore, module: str, source: Source
) -> None:
    for name in (module, f"{module}b"):
        await Cache(store, name).of("price", Price, ttl=60).get("a", source.load)
    assert source.asked == 2


async def test_no_cache_without_an_end_and_no_name_twice(store: CacheStore, module: str) -> None:
    cache = Cache(store, module)
    with pytest.raises(ValueError, match="must be more than 0 seconds"):
        cache.of("price", Price, ttl=0)
    cache.of("price", Price, ttl=60)
    with pytest.raises(ValueError, match="two caches named 'price'"):
        cache.of("price", Decimal, ttl=60)


async def test_a_change_is_seen_behind_its_commit_and_not_before(
    prices: Cached[Price], source: Source, db: Database
) -> None:
    await prices.get("a", source.load)
    async with db.transaction() as tx:
        source.value = PRICES[1]
        prices.invalidate(tx, "a")
        await tx.execute(text("SELECT 1"))
        assert await elsewhere(prices, source) == PRICES[0]
    assert await prices.get("a", source.load) == PRICES[1]
    assert source.asked == 2


async def elsewhere(prices: Cached[Price], source: Source) -> Price:
    """Read as another request would, which is in no transaction."""
    return await asyncio.create_task(prices.get("a", source.load), context=Context())


async def test_what_is_undone_invalidates_nothing(
    prices: Cached[Price], source: Source, db: Database
) -> None:
    await prices.get("a", source.load)
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            prices.invalidate(tx, "a")
            raise ZeroDivisionError
    async with db.transaction() as tx:
        with pytest.raises(ZeroDivisionError):
            async with tx.savepoint():
                prices.invalidate(view_of(tx, "ordering"), "a")
                raise ZeroDivisionError
    await prices.get("a", source.load)
    assert source.asked == 1


async def test_a_commit_whose_answer_is_lost_invalidates(
    prices: Cached[Price], source: Source, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prices.get("a", source.load)
    execute = asyncpg.Connection.execute

    async def lose_the_answer(
        connection: asyncpg.Connection, query: str, *args: object, **options: Any
    ) -> str:
        done = await execute(connection, query, *args, **options)
        if query.startswith("COMMIT"):
            raise asyncpg.ConnectionDoesNotExistError("connection was closed")
        return done

    monkeypatch.setattr(asyncpg.Connection, "execute", lose_the_answer)
    with pytest.raises(OutcomeUnknownError):
        async with db.transaction() as tx:
            await tx.execute(text("SELECT 1"))
            prices.invalidate(tx, "a")
    await prices.get("a", source.load)
    assert source.asked == 2


async def test_who_loaded_the_old_value_meanwhile_stores_it_in_vain(
    prices: Cached[Price], source: Source, db: Database
) -> None:
    source.answers.clear()
    slow = asyncio.create_task(prices.get("a", source.load))
    await asked(source)
    source.value = PRICES[1]
    async with db.transaction() as tx:
        prices.invalidate(tx, "a")
    behind = asyncio.create_task(prices.get("a", source.load))
    await asked(source)
    source.answers.set()
    assert await behind == PRICES[1]
    assert await slow == PRICES[0]
    assert await prices.get("a", source.load) == PRICES[1]
    assert source.asked == 2


async def test_an_error_goes_to_all_who_wait_and_is_not_stored(
    prices: Cached[Price], source: Source
) -> None:
    source.error = ZeroDivisionError()
    failed = await asyncio.gather(
        *(prices.get("a", source.load) for _ in range(5)), return_exceptions=True
    )
    assert failed == [source.error] * 5
    source.error = None
    assert await prices.get("a", source.load) == PRICES[0]
    assert source.asked == 2


async def test_whoever_asked_first_may_give_up(prices: Cached[Price], source: Source) -> None:
    source.answers.clear()
    first = asyncio.create_task(prices.get("a", source.load))
    await asked(source)
    second = asyncio.create_task(prices.get("a", source.load))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    source.answers.set()
    assert await second == PRICES[0]
    assert source.asked == 1


async def test_inside_a_transaction_the_cache_is_refused(
    prices: Cached[Price], source: Source, db: Database
) -> None:
    for block in (db.transaction, db.read):
        async with block():
            with pytest.raises(TransactionError, match="cannot be read inside a transaction"):
                await prices.get("a", source.load)


async def test_what_other_code_has_stored_is_loaded_anew(
    store: CacheStore, module: str, prices: Cached[Price], source: Source
) -> None:
    for stored in (b'first {"id": 1}', b"first", pickle.dumps(PRICES[0])):
        await store.write(f"value:{module}:price:a", stored, 60)
        assert await prices.get("a", source.load) == PRICES[0]
    assert source.asked == 3


async def test_what_was_to_be_done_after_a_commit_may_fail(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    done = []

    async def fail() -> None:
        raise ZeroDivisionError

    async def do() -> None:
        done.append(1)

    async with db.transaction() as tx:
        tx.after_commit(fail)
        tx.after_commit(do)
    assert done == [1]
    assert "Committed, but what was to be done afterwards failed" in caplog.text


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_store, "_MOST", 3)
    store = CacheStore()
    for number in range(4):
        await store.write(str(number), b"x", 60)
    assert await store.read("0", "1", "3") == (None, b"x", b"x")
