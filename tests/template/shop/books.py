"""A customer and a product of the example shop, and what the database says about them."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
from app.modules.catalog import Catalog
from app.modules.identity import Identity
from app.modules.ordering import Ordering
from app.platform.database import Database
from app.platform.wiring import Wired
from sqlalchemy.ext.asyncio import AsyncEngine

OWNER = "ada"
NOTHING = (10, None, 0, 0, 0, 0)
EVERYTHING = (8, Decimal(300), 1, 1, 1, 1)
_BOOKS = {
    "SELECT stock FROM catalog.products WHERE id = $1": "product",
    "SELECT owed FROM billing.accounts WHERE customer_id = $1": "customer",
    "SELECT count(*) FROM billing.entries WHERE customer_id = $1": "customer",
    "SELECT count(*) FROM ordering.orders WHERE customer_id = $1": "customer",
    "SELECT count(*) FROM ordering.order_lines WHERE product_id = $1": "product",
    "SELECT count(*) FROM queue.pgqueuer WHERE entrypoint = 'ordering.open_shipment'"
    " AND convert_from(payload, 'UTF8')::json ->> 'customer_id' = $1::uuid::text": "customer",
}


async def ask(login: asyncpg.Connection, query: str, *args: object) -> object:
    """Return what a module answers; the query begins with `SELECT … FROM <module>.`."""
    module = query.split(" FROM ")[1].split(".")[0]
    async with login.transaction():
        await login.execute(f"SET LOCAL ROLE app_test__{module}")
        return await login.fetchval(query, *args)


@dataclass(frozen=True)
class Purchase:
    """Two of ten teapots, for somebody who owes nothing yet."""

    customer: UUID
    product: UUID

    async def place(self, engine: AsyncEngine, wired: Wired) -> None:
        """Place the order, as the route does."""
        async with Database(engine, "ordering").transaction() as tx:
            await wired[Ordering].place_order(tx, OWNER, self.customer, {self.product: 2})

    async def books(self, login: asyncpg.Connection) -> tuple[object, ...]:
        """Stock, debt, ledger entries, orders, lines, and events that wait to open a shipment."""
        return tuple(
            [await ask(login, query, getattr(self, whose)) for query, whose in _BOOKS.items()]
        )


async def prepare(engine: AsyncEngine, wired: Wired) -> Purchase:
    async with Database(engine, "ordering").transaction() as tx:
        who = await wired[Identity].register_customer(tx, OWNER, f"{uuid4()}@example.org", "Ada")
        sku = uuid4().hex[:12].upper()
        what = await wired[Catalog].add_product(tx, sku, "Teapot", Decimal(150))
        await wired[Catalog].restock(tx, {what.id: 10})
    return Purchase(who.id, what.id)
