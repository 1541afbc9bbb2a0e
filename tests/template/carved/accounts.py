"""What is done with an order of the changed shop, and what must be right once it is settled."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from app.modules.ordering import Order, Ordering
from app.platform.wiring import Wired
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.shop.books import OWNER, prepare

PRICE, STOCK = 150, 10
PLACED, DECLINED, CANCELLED = "placed", "declined", "cancelled"
QUANTITIES = {PLACED: 2, DECLINED: 7, CANCELLED: 2}
"""Seven are more than the customer may owe."""
_ORDERS = "SELECT id, status FROM ordering.orders WHERE customer_id = $1"
_SHIPMENTS = "SELECT count(*) FROM ordering.shipments WHERE order_id = ANY($1)"
_CHARGES = "SELECT count(*) FROM billing.entries WHERE customer_id = $1 AND kind = 'charge'"
_LEDGER = "SELECT coalesce(sum(amount), 0) FROM billing.entries WHERE customer_id = $1"
_OWED = "SELECT coalesce(sum(owed), 0) FROM billing.accounts WHERE customer_id = $1"
_STOCK = "SELECT stock FROM catalog.products WHERE id = $1"
_DUE = "UPDATE queue.pgqueuer SET execute_after = now()"


@dataclass(frozen=True)
class Deal:
    """An order of somebody who has no other one, and what they are up to."""

    kind: str
    customer: UUID
    product: UUID
    placed: UUID | None = None
    """The order that is to be cancelled."""

    async def strike(self, wired: Wired) -> Order:
        """Do what trouble is to come in the middle of."""
        ordering = wired[Ordering]
        if self.placed is not None:
            return await ordering.cancel_order(OWNER, self.placed)
        quantities = {self.product: QUANTITIES[self.kind]}
        return await ordering.place_order(OWNER, self.customer, quantities)

    async def check(self, admin: asyncpg.Connection) -> str | None:
        """Say what became of the order, and that everybody agrees on it."""
        orders = await admin.fetch(_ORDERS, self.customer)
        assert len(orders) <= 1
        status = next((each["status"] for each in orders), None)
        bought = QUANTITIES[self.kind] if status == "confirmed" else 0
        assert await admin.fetchval(_STOCK, self.product) == STOCK - bought
        for query in (_LEDGER, _OWED):
            assert await admin.fetchval(query, self.customer) == bought * PRICE
        assert await admin.fetchval(_CHARGES, self.customer) <= 1
        assert await admin.fetchval(_SHIPMENTS, [each["id"] for each in orders]) == bool(bought)
        return status


async def deal(engine: AsyncEngine, wired: Wired, kind: str) -> Deal:
    order = await prepare(engine, wired)
    made = Deal(kind, order.customer, order.product)
    if kind == CANCELLED:
        placed = (await made.strike(wired)).id
        return Deal(kind, order.customer, order.product, placed)
    return made


async def settle(admin: asyncpg.Connection, run_jobs: Callable[[], Awaitable[int]]) -> None:
    """Let a minute pass, and workers work."""
    await run_jobs()
    await admin.execute(_DUE)
    await run_jobs()
