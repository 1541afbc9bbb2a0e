"""A replica is stopped, falls behind and comes back, under callers who check whatever they see."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from app.modules.catalog.tables import ItemRow
from app.platform.database import Database, Replica, create_engine
from app.platform.settings import Settings
from app.platform.web import create_api
from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient, Response
from sqlalchemy import text

from .replica import Server
from .servers import eventually, tell

SEEN = text("SELECT pg_is_in_recovery(), array_agg(name) FROM catalog.items")
READERS = 8


def routes(db: Database) -> APIRouter:
    router = APIRouter()

    @router.get("/seen")
    async def seen() -> tuple[bool, list[str]]:
        """Return whether the replica was read, and the names it had."""
        async with db.read() as reading:
            is_replica, names = (await reading.execute(SEEN)).one()
        return is_replica, names or []

    @router.post("/write")
    async def write() -> tuple[str, list[str]]:
        """Return what was written, and the names that the same request sees behind it."""
        name = uuid4().hex
        async with db.transaction() as tx:
            tx.add(ItemRow(owner="me", name=name))
        return name, (await seen())[1]

    return router


class Callers:
    """They read and write all the time, each one call after the other."""

    def __init__(self, client: AsyncClient, max_lag: float) -> None:
        self._client, self._max_lag = client, max_lag
        self._acknowledged: list[tuple[float, str]] = []
        self.answers: Counter[str] = Counter()
        """How often the `primary` and the `replica` have answered a read."""
        self.refused = 0
        self.tasks: list[asyncio.Task[None]] = []

    async def read(self) -> None:
        while True:
            now = time.monotonic()
            response = await self._client.get("/seen")
            if await self._is_refused(response):
                continue
            is_replica, names = response.json()
            due = {name for moment, name in self._acknowledged if moment < now - self._max_lag}
            assert due <= set(names), f"{len(due - set(names))} are missing"
            self.answers["replica" if is_replica else "primary"] += 1

    async def write(self) -> None:
        while True:
            response = await self._client.post("/write")
            if await self._is_refused(response):
                continue
            name, names = response.json()
            assert name in names
            self._acknowledged.append((time.monotonic(), name))
            await asyncio.sleep(0.02)

    async def _is_refused(self, response: Response) -> bool:
        if response.status_code == 200:
            return False
        assert response.status_code == 503, response.text
        assert response.headers["Content-Type"] == "application/problem+json"
        self.refused += 1
        await asyncio.sleep(0.01)
        return True

    async def only(self, server: str) -> None:
        """Wait until nobody but this server answers, many times in a row."""

        def is_alone() -> bool:
            for task in self.tasks:
                if task.done():
                    task.result()  # What a caller saw that it should not have seen.
            others = self.answers - Counter({server: self.answers[server]})
            if others:
                self.answers.clear()
            return self.answers[server] >= 200

        self.answers.clear()
        await eventually(is_alone)


@asynccontextmanager
async def calling(settings: Settings, headers: dict[str, str]) -> AsyncIterator[Callers]:
    assert settings.database_replica_url
    settings = settings.model_copy(update={"rate_limit": 100_000, "database_replica_max_lag": 5})
    engine = create_engine(settings)
    replica = Replica(settings, settings.database_replica_url)

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        async with replica.watched():
            yield
        await engine.dispose()

    api = create_api({}, lifespan, settings, engine)
    api.include_router(routes(Database(engine, "catalog", replica)))
    async with (
        api.router.lifespan_context(api),
        AsyncClient(
            transport=ASGITransport(api), base_url="http://app", headers=headers, timeout=30
        ) as client,
    ):
        callers = Callers(client, settings.database_replica_max_lag)
        calls = [*(callers.read() for _ in range(READERS)), callers.write()]
        callers.tasks = [asyncio.create_task(each) for each in calls]
        try:
            yield callers
        finally:
            for task in callers.tasks:
                task.cancel()
            await asyncio.wait(callers.tasks)


async def pause(standby: Server) -> None:
    await tell(standby, "SELECT pg_wal_replay_pause()")


async def resume(standby: Server) -> None:
    await tell(standby, "SELECT pg_wal_replay_resume()")


async def crash(standby: Server) -> None:
    standby.stop(at_once=True)


async def stop(standby: Server) -> None:
    standby.stop()


async def start(standby: Server) -> None:
    standby.start()


@pytest.mark.parametrize(
    ("leave", "come_back"),
    [(pause, resume), (crash, start), (stop, start)],
    ids=["it falls behind", "it crashes", "it is stopped"],
)
async def test_reads_are_right_while_a_replica_goes_and_comes(
    settings: Settings,
    standby: Server,
    bearer: Callable[..., dict[str, str]],
    leave: Callable[[Server], Awaitable[None]],
    come_back: Callable[[Server], Awaitable[None]],
) -> None:
    async with calling(settings, bearer("me")) as callers:
        await callers.only("replica")
        await leave(standby)
        try:
            await callers.only("primary")
        finally:
            await come_back(standby)
        await callers.only("replica")
        # A read that the replica could not answer was put to the primary.
        assert callers.refused == 0
