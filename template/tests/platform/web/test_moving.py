"""What those who ask notice while the data of a module move."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient

from app.main import create_app
from app.platform.database.gates import Gate
from app.platform.database.sides import Side
from app.platform.settings.settings import Settings

from ..moving import eventually, Gates

URL = "/catalog/items"
WRITTEN = "SELECT count(*) FROM catalog.items"
Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def patience() -> float:
    """Seconds for which a request waits while no side is open."""
    return 30


@pytest.fixture
async def client(
    moving: Settings, gates: Gates, bearer: Bearer, patience: float
) -> AsyncIterator[AsyncClient]:
    """A client of a process that serves `catalog` alone."""
    given = {"database_pool_timeout": patience, "rate_limit": 1e6, "request_timeout": 60}
    api = create_app(moving.model_copy(update=given))
    transport = ASGITransport(api)
    async with (
        api.router.lifespan_context(api),
        AsyncClient(transport=transport, base_url="http://app", headers=bearer("me")) as client,
    ):
        yield client


async def test_no_request_fails_while_they_move_there_and_back(
    client: AsyncClient, gates: Gates
) -> None:
    answers: list[int] = []
    is_over = asyncio.Event()

    async def ask(name: str) -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            key = {"Idempotency-Key": f"{name}-{number}"}
            written = await client.post(URL, json={"name": f"{name} {number}"}, headers=key)
            read = await client.get(URL)
            answers.extend((written.status_code, read.status_code))

    async def more() -> None:
        had = len(answers)
        await eventually(lambda: len(answers) > had + 50)

    async with asyncio.TaskGroup() as callers:
        for number in range(8):
            callers.create_task(ask(f"caller-{number}"))
        for source, target in ((Side.MAIN, Side.OWN), (Side.OWN, Side.MAIN)):
            await more()
            await gates.close(source)
            await asyncio.sleep(0.2)
            await gates.set(target, Gate.OPEN)
        await more()
        is_over.set()
    assert set(answers) == {200, 201}
    written = [await gates.admins[side].fetchval(WRITTEN) for side in Side]
    assert sum(written) == answers.count(201)
    assert all(written)


@pytest.mark.parametrize("patience", [0.5])
async def test_while_no_side_is_open_all_are_asked_to_come_again(
    client: AsyncClient, gates: Gates
) -> None:
    await gates.close(Side.MAIN)
    refused = await client.post(URL, json={"name": "pen"})
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert "are being moved" in refused.json()["detail"]
    assert (await client.get("/readyz")).status_code == 200
    await gates.set(Side.MAIN, Gate.OPEN)

    async def is_done() -> bool:
        return (await client.post(URL, json={"name": "pen"})).status_code == 201

    await eventually(is_done)


async def test_what_the_fence_refuses_may_be_sent_again(client: AsyncClient, gates: Gates) -> None:
    await gates.kill(Side.MAIN, "app sides")
    await gates.close(Side.MAIN)
    refused = await client.post(URL, json={"name": "pen"})
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    await gates.set(Side.OWN, Gate.OPEN)

    async def is_done() -> bool:
        return (await client.post(URL, json={"name": "pen"})).status_code == 201

    await eventually(is_done)


async def test_a_key_says_whose_it_is(client: AsyncClient, gates: Gates) -> None:
    sent: dict[str, Any] = {"json": {"name": "pen"}, "headers": {"Idempotency-Key": "once"}}
    assert (await client.post(URL, **sent)).status_code == 201
    of_key = "SELECT module FROM requests.idempotency_keys"
    assert await gates.admins[Side.MAIN].fetchval(of_key) == "catalog"
