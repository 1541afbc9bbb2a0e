"""Many orders at once, over HTTP. Runs inside a generated repository with the example shop."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from app.development.issuer import DevelopmentIssuer
from app.main import create_app
from app.platform.settings import Settings
from httpx import ASGITransport, AsyncClient, Response

from .books import ask

_UNLIMITED = {
    "request_concurrency": 1000,
    "request_concurrency_per_caller": 1000,
    "rate_limit": 1000,
    # They wait for one another, as long as the machine takes.
    "database_statement_timeout": 200,
    "request_timeout": 200,
}
DEADLOCK = 300
"""Seconds after which a test that does not end is taken for one that never will."""


@asynccontextmanager
async def shop(settings: Settings, **different: object) -> AsyncIterator[AsyncClient]:
    different = {**_UNLIMITED, **different}
    api = create_app(settings.model_copy(update=different))
    transport = ASGITransport(api)
    async with (
        asyncio.timeout(DEADLOCK),
        api.router.lifespan_context(api),
        AsyncClient(transport=transport, base_url="http://app", timeout=None) as client,
    ):
        token = DevelopmentIssuer().token("staff", "catalog:write", "orders:ship")
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


async def create(client: AsyncClient, path: str, **body: object) -> str:
    response = await client.post(path, json=body)
    assert response.status_code < 300, response.text
    return str(response.json()["id"])


async def customers(client: AsyncClient, count: int) -> list[str]:
    path = "/identity/customers"
    return [
        await create(client, path, email=f"{number}@example.org", name="Ada")
        for number in range(count)
    ]


async def product(client: AsyncClient, sku: str, stock: int) -> str:
    id = await create(client, "/catalog/products", sku=sku, name=sku, price="1.00")
    await create(client, f"/catalog/products/{id}/deliveries", quantity=stock)
    return id


async def order(client: AsyncClient, customer: str, *products: str) -> Response:
    lines = [{"product_id": each, "quantity": 1} for each in products]
    return await client.post("/ordering/orders", json={"customer_id": customer, "lines": lines})


@pytest.mark.parametrize(("pool_size", "pool_timeout"), [(10, 60.0), (5, 60.0), (5, 0.1)], ids=str)
async def test_two_hundred_orders_of_a_hundred_items_sell_exactly_a_hundred(
    settings: Settings, pool_size: int, pool_timeout: float
) -> None:
    async with shop(
        settings, database_pool_size=pool_size, database_pool_timeout=pool_timeout
    ) as client:
        item = await product(client, "TEAPOT", 100)
        waiting = await customers(client, 20) * 10
        statuses: Counter[int] = Counter()
        rounds = 0
        while waiting:
            responses = await asyncio.gather(*(order(client, who, item) for who in waiting))
            refused = [
                who
                for who, response in zip(waiting, responses, strict=True)
                if response.status_code == 503
            ]
            for response in responses:
                statuses[response.status_code] += 1
                if response.status_code == 503:  # The excess: refused at once, to come again.
                    assert response.json()["detail"].startswith("All database connections")
                    assert response.headers["Retry-After"] == "1"
                elif response.status_code != 201:
                    assert response.json()["type"] == "urn:problem-type:out-of-stock"
            waiting = refused
            rounds += 1
        assert statuses[201] == statuses[409] == 100
        assert (rounds > 1) == (statuses[503] > 0) == (pool_timeout < 1)
        left = (await client.get(f"/catalog/products/{item}")).json()
        assert left["stock"] == 0


async def test_orders_and_cancellations_across_each_other_leave_the_books_balanced(
    settings: Settings, run_jobs: Callable[[], Awaitable[int]]
) -> None:
    chance = random.Random(1)
    async with shop(settings, database_pool_size=5, database_pool_timeout=60.0) as client:
        items = [await product(client, f"P{number}", 60) for number in range(4)]
        everybody = await customers(client, 5)

        async def buy_and_perhaps_cancel(number: int) -> int:
            wanted = chance.sample(items, chance.randint(1, 3))
            placed = await order(client, chance.choice(everybody), *wanted)
            if placed.status_code == 201 and number % 3 == 0:
                path = f"{placed.headers['Location']}/cancel"
                both = await asyncio.gather(client.post(path), client.post(path))
                assert sorted(each.status_code for each in both) == [200, 409]
            return placed.status_code

        outcomes = Counter(
            await asyncio.gather(*(buy_and_perhaps_cancel(number) for number in range(150)))
        )
        assert set(outcomes) <= {201, 409}
    await run_jobs()
    login = await asyncpg.connect(settings.database_url)
    sold = await ask(
        login,
        "SELECT sum(quantity) FROM ordering.order_lines JOIN ordering.orders ON id = order_id"
        " WHERE status = 'confirmed'",
    )
    assert isinstance(sold, int)
    assert await ask(login, "SELECT sum(stock) FROM catalog.products") == 240 - sold
    assert await ask(login, "SELECT sum(owed) FROM billing.accounts") == sold
    assert await ask(login, "SELECT sum(amount) FROM billing.entries") == sold
    confirmed = "SELECT count(*) FROM ordering.orders WHERE status = 'confirmed'"
    assert await ask(login, "SELECT count(*) FROM ordering.shipments") == await ask(
        login, confirmed
    )
    await login.close()
