"""The module with the modules it depends on, in one transaction. The order is placed in all of them,
or in none."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.modules.billing import Billing, ChargeDeclined
from app.modules.catalog import Catalog, OutOfStock
from app.modules.identity import CustomerClosed, CustomerNotFound, Identity
from app.platform.database import Database, TransactionError, Tx
from app.platform.wiring import ModuleFolder, wire, Wired

from .. import Order, Ordering, OrderNotOpen, OrderStatus

RunJobs = Callable[[], Awaitable[int]]

OWNER = "ada"


@dataclass
class Shop:
    """Ada, who may owe 1,000, and ten teapots at 150 each."""

    wired: Wired
    db: Database
    run_jobs: RunJobs
    ada: UUID
    teapot: UUID

    async def place(self, quantity: int = 1) -> Order:
        async with self.db.transaction() as tx:
            return await self.wired[Ordering].place_order(
                tx, OWNER, self.ada, {self.teapot: quantity}
            )

    async def books(self) -> tuple[int, Decimal, int, int]:
        """Teapots left, what Ada owes, her orders, and those of them that wait to be packed: once
        the events have arrived."""
        await self.run_jobs()
        teapot = await self.wired[Catalog].get_product(self.teapot)
        account = await self.wired[Billing].get_account(OWNER, self.ada)
        orders = await self.wired[Ordering].list_orders(OWNER, self.ada, after=None, limit=100)
        shipments = await self.wired[Ordering].list_open_shipments(None, 100)
        return teapot.stock, account.owed, len(orders), len(shipments)


@pytest.fixture
async def shop(
    folders: Sequence[ModuleFolder], engine: AsyncEngine, db: Database, run_jobs: RunJobs
) -> Shop:
    wired = wire(folders, engine, only=Ordering)
    async with db.transaction() as tx:
        ada = await wired[Identity].register_customer(tx, OWNER, "ada@example.org", "Ada")
        teapot = await wired[Catalog].add_product(tx, "POT", "Teapot", Decimal(150))
        await wired[Catalog].restock(tx, {teapot.id: 10})
    return Shop(wired, db, run_jobs, ada.id, teapot.id)


async def test_an_order_takes_stock_is_charged_and_waits_to_be_packed(shop: Shop) -> None:
    await shop.place(2)
    assert await shop.books() == (8, Decimal(300), 1, 1)


async def test_a_declined_charge_undoes_everything(shop: Shop) -> None:
    await shop.place(5)
    with pytest.raises(ChargeDeclined):
        await shop.place(2)
    assert await shop.books() == (5, Decimal(750), 1, 1)


async def test_what_is_out_of_stock_is_not_charged(shop: Shop) -> None:
    with pytest.raises(OutOfStock):
        await shop.place(11)
    assert await shop.books() == (10, Decimal(0), 0, 0)


async def test_a_declined_charge_undoes_everything_even_if_it_is_caught(shop: Shop) -> None:
    with pytest.raises(TransactionError, match="nothing was committed"):
        async with shop.db.transaction() as tx:
            with pytest.raises(ChargeDeclined):
                await shop.wired[Ordering].place_order(tx, OWNER, shop.ada, {shop.teapot: 7})
    assert await shop.books() == (10, Decimal(0), 0, 0)


async def test_an_error_after_the_order_undoes_everything(shop: Shop) -> None:
    with pytest.raises(ZeroDivisionError):
        async with shop.db.transaction() as tx:
            await shop.wired[Ordering].place_order(tx, OWNER, shop.ada, {shop.teapot: 1})
            raise ZeroDivisionError
    assert await shop.books() == (10, Decimal(0), 0, 0)


async def test_cancelling_leaves_the_books_as_they_were(shop: Shop) -> None:
    order = await shop.place(2)
    async with shop.db.transaction() as tx:
        await shop.wired[Ordering].cancel_order(tx, OWNER, order.id)
    assert await shop.books() == (10, Decimal(0), 1, 0)


async def test_an_order_is_either_shipped_or_cancelled(shop: Shop) -> None:
    order = await shop.place(2)
    await shop.run_jobs()

    async def change(how: Callable[[Tx], Awaitable[Order]]) -> Order:
        async with shop.db.transaction() as tx:
            return await how(tx)

    ordering = shop.wired[Ordering]
    both = [
        lambda tx: ordering.ship_order(tx, order.id),
        lambda tx: ordering.cancel_order(tx, OWNER, order.id),
    ] * 3
    outcomes = await asyncio.gather(*(change(how) for how in both), return_exceptions=True)
    assert sum(isinstance(outcome, Order) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, OrderNotOpen) for outcome in outcomes) == 5
    shipped = (await ordering.get_order(OWNER, order.id)).status == OrderStatus.SHIPPED
    assert await shop.books() == ((8, Decimal(300), 1, 0) if shipped else (10, Decimal(0), 1, 0))


async def test_nobody_orders_for_the_customer_of_somebody_else(shop: Shop) -> None:
    with pytest.raises(CustomerNotFound):
        async with shop.db.transaction() as tx:
            await shop.wired[Ordering].place_order(tx, "eve", shop.ada, {shop.teapot: 1})
    assert await shop.books() == (10, Decimal(0), 0, 0)


async def test_only_customers_order(shop: Shop) -> None:
    async with shop.db.transaction() as tx:
        await shop.wired[Identity].close_customer(tx, shop.ada)
    with pytest.raises(CustomerClosed):
        await shop.place()
    shop.ada = uuid4()
    with pytest.raises(CustomerNotFound):
        await shop.place()


async def test_no_more_is_sold_than_there_is(shop: Shop) -> None:
    async with shop.db.transaction() as tx:  # Something of which she may buy all.
        cup = await shop.wired[Catalog].add_product(tx, "CUP", "Cup", Decimal(15))
        await shop.wired[Catalog].restock(tx, {cup.id: 10})
    shop.teapot = cup.id
    outcomes = await asyncio.gather(*(shop.place() for _ in range(15)), return_exceptions=True)
    assert sum(isinstance(outcome, Order) for outcome in outcomes) == 10
    assert sum(isinstance(outcome, OutOfStock) for outcome in outcomes) == 5
    assert await shop.books() == (0, Decimal(150), 10, 10)
