"""A cache that processes share in a real Redis, and do without when it is gone.

Each `CacheStore` stands for a process: they have nothing in common but the Redis.
"""

import asyncio
import pickle
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from app.platform.cache import Cache, Cached, CacheStore
from app.platform.cache import store as cache_store
from app.platform.database import Database
from redis.asyncio import Redis as Client
from sqlalchemy.ext.asyncio import AsyncEngine

from .replica import free_port
from .test_cache import PRICES, Price, Source, asked, patient

__all__ = ["patient"]  # A fixture that every test here has, too.


class Redis:
    """A Redis that forgets everything when it stops."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program, "this test needs Debian's redis-server"
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, *options], cwd=self._folder, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.01)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(60)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it keep what it has, and answer nobody, while the block lasts."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    redis = Redis(tmp_path)
    redis.start()
    yield redis
    redis.stop()


@pytest.fixture
async def stores(redis: Redis) -> AsyncIterator[list[CacheStore]]:
    stores = [CacheStore(redis.url) for _ in range(3)]
    async with AsyncExitStack() as closing:
        for store in stores:
            closing.push_async_callback(store.close)
        yield stores


@pytest.fixture
def processes(stores: list[CacheStore]) -> list[Cached[Price]]:
    return [Cache(store, "catalog").of("price", Price, ttl=60) for store in stores]


@pytest.fixture
def source() -> Source:
    return Source()


async def test_a_stampede_of_processes_causes_one_load(
    processes: list[Cached[Price]], source: Source
) -> None:
    source.answers.clear()
    callers = asyncio.gather(*(each.get("a", source.load) for each in processes * 10))
    await asked(source)
    await asyncio.sleep(0.1)  # All of them wait now.
    source.answers.set()
    assert await callers == [PRICES[0]] * 30
    assert source.asked == 1


async def test_a_process_whose_load_failed_lets_the_others_load(
    processes: list[Cached[Price]], source: Source
) -> None:
    class Failing(Source):
        async def load(self) -> Price:
            await super().load()
            raise ZeroDivisionError

    failing = Failing()
    failing.answers.clear()
    first = asyncio.create_task(processes[0].get("a", failing.load))
    await asked(failing)
    second = asyncio.create_task(processes[1].get("a", source.load))
    await asyncio.sleep(0.05)
    assert source.asked == 0
    failing.answers.set()
    with pytest.raises(ZeroDivisionError):
        await first
    assert await second == PRICES[0]


async def test_what_one_process_changes_the_others_see(
    processes: list[Cached[Price]], source: Source, engine: AsyncEngine
) -> None:
    for each in processes:
        await each.get("a", source.load)
    source.value = PRICES[1]
    async with Database(engine, "catalog").transaction() as tx:
        processes[0].invalidate(tx, "a")
    assert [await each.get("a", source.load) for each in processes] == [PRICES[1]] * 3
    assert source.asked == 2


async def test_what_another_process_loaded_before_the_change_is_stored_in_vain(
    processes: list[Cached[Price]], source: Source, engine: AsyncEngine
) -> None:
    source.answers.clear()
    slow = asyncio.create_task(processes[0].get("a", source.load))
    await asked(source)
    changed = Source()
    changed.value = PRICES[1]
    async with Database(engine, "catalog").transaction() as tx:
        processes[1].invalidate(tx, "a")
    source.answers.set()
    assert await slow == PRICES[0]
    assert [await each.get("a", changed.load) for each in processes] == [PRICES[1]] * 3


async def test_nothing_is_unpickled(redis: Redis, processes: list[Cached[Price]]) -> None:
    harmful = pickle.dumps(Harmful())
    source = Source()
    async with Client.from_url(redis.url) as client:
        for stored in (harmful, b"bytes:" + harmful, b"bytes:first " + harmful):
            await client.set("value:catalog:price:a", stored)
            assert await processes[0].get("a", source.load) == PRICES[0]
    assert source.asked == 3


class Harmful:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return pytest.fail, ("A value was unpickled.",)


async def test_without_redis_everything_is_loaded_and_with_it_nothing_twice(
    redis: Redis,
    processes: list[Cached[Price]],
    source: Source,
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(cache_store, "CACHE_AWAY", 0.1)
    prices = processes[0]
    await prices.get("a", source.load)
    redis.stop()
    source.value = PRICES[1]
    async with Database(engine, "catalog").transaction() as tx:
        prices.invalidate(tx, "a")
    for _ in range(5):
        assert await prices.get("a", source.load) == PRICES[1]
    assert source.asked == 6
    assert caplog.text.count("The cache does not answer") == 1
    found = await asyncio.gather(*(prices.get("a", source.load) for _ in range(50)))
    assert found == [PRICES[1]] * 50
    assert source.asked == 7
    redis.start()
    await eventually_hits(prices, source)


async def test_a_change_that_redis_has_missed_is_made_up_for(
    redis: Redis,
    processes: list[Cached[Price]],
    source: Source,
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache_store, "CACHE", 0.1)
    monkeypatch.setattr(cache_store, "CACHE_AWAY", 0.1)
    first, second, _ = processes
    await first.get("a", source.load)
    source.value = PRICES[1]
    with redis.frozen():
        async with Database(engine, "catalog").transaction() as tx:
            first.invalidate(tx, "a")
        assert await first.get("a", source.load) == PRICES[1]
    await eventually_hits(first, source)
    assert await first.get("a", source.load) == PRICES[1]
    assert await second.get("a", source.load) == PRICES[1]


async def eventually_hits(prices: Cached[Price], source: Source) -> None:
    async def is_hit() -> bool:
        before = source.asked
        await prices.get("a", source.load)
        return source.asked == before

    async with asyncio.timeout(30):
        while not await is_hit():
            await asyncio.sleep(0.05)


async def test_a_redis_that_never_answers_is_not_waited_for_again(
    monkeypatch: pytest.MonkeyPatch, source: Source
) -> None:
    monkeypatch.setattr(cache_store, "CACHE", 0.1)
    connected: list[asyncio.StreamWriter] = []

    def silent(_reader: object, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = CacheStore(f"redis://127.0.0.1:{port}/0")
    prices = Cache(store, "catalog").of("price", Price, ttl=60)
    assert await prices.get("a", source.load) == PRICES[0]
    before = len(connected)
    for _ in range(20):
        assert await prices.get("a", source.load) == PRICES[0]
    assert len(connected) == before
    await store.close()
    server.close()
    for writer in connected:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
