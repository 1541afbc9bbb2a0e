"""The module alone: what it depends on is replaced by fakes."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.modules.billing import Billing, ChargeDeclined, OrderCharged
from app.modules.catalog import Catalog
from app.modules.identity import Identity
from app.platform.database import Database
from app.platform.wiring import ModuleFolder, wire

from .. import (
    Order,
    OrderEmpty,
    Ordering,
    OrderNotFound,
    OrderNotOpen,
    OrderStatus,
    ShipmentNotOpen,
)
from ..handlers import open_shipment
from .fakes import FakeBilling, FakeCatalog, FakeIdentity

OWNER = "ada"
ADA, TEA, POT = uuid4(), UUID(int=1), UUID(int=2)


@pytest.fixture
def catalog() -> FakeCatalog:
    return FakeCatalog()


@pytest.fixture
def billing() -> FakeBilling:
    return FakeBilling()


@pytest.fixture
def ordering(
    folders: Sequence[ModuleFolder],
    engine: AsyncEngine,
    catalog: FakeCatalog,
    billing: FakeBilling,
) -> Ordering:
    return wire(
        folders,
        engine,
        only=Ordering,
        fakes={Identity: FakeIdentity(), Catalog: catalog, Billing: billing},
    )[Ordering]


async def place(ordering: Ordering, db: Database, quantities: dict[UUID, int]) -> Order:
    async with db.transaction() as tx:
        return await ordering.place_order(tx, OWNER, ADA, quantities)


async def charged(db: Database, order: Order) -> None:
    """Let billing say that it has charged the order."""
    async with db.transaction() as tx:
        await open_shipment(tx, OrderCharged(order.id, ADA, order.total))


async def test_an_order_has_the_prices_of_when_it_was_placed(
    ordering: Ordering, db: Database, catalog: FakeCatalog, billing: FakeBilling
) -> None:
    order = await place(ordering, db, {TEA: 2, POT: 1})
    catalog.price = Decimal(99)
    assert [(line.product_id, line.quantity) for line in order.lines] == [(TEA, 2), (POT, 1)]
    assert order.total == Decimal("28.50") == billing.charged[order.id]
    assert order.status == OrderStatus.CONFIRMED
    assert await ordering.get_order(OWNER, order.id) == order


async def test_an_order_that_cannot_be_charged_does_not_exist(
    ordering: Ordering, db: Database
) -> None:
    with pytest.raises(ChargeDeclined):
        await place(ordering, db, {TEA: 11})
    assert await ordering.list_orders(OWNER, ADA, after=None, limit=10) == []


async def test_an_order_of_nothing_is_refused(ordering: Ordering, db: Database) -> None:
    with pytest.raises(OrderEmpty):
        await place(ordering, db, {})


async def test_a_cancelled_order_gives_everything_back(
    ordering: Ordering, db: Database, catalog: FakeCatalog, billing: FakeBilling
) -> None:
    order = await place(ordering, db, {TEA: 2, POT: 1})
    await charged(db, order)
    async with db.transaction() as tx:
        cancelled = await ordering.cancel_order(tx, OWNER, order.id)
    assert cancelled.status == OrderStatus.CANCELLED
    assert await ordering.get_order(OWNER, order.id) == cancelled
    assert catalog.taken == {TEA: 0, POT: 0}
    assert billing.charged == {}
    assert await ordering.list_open_shipments(None, 10) == []


async def test_a_shipped_order_leaves_the_packing_list(ordering: Ordering, db: Database) -> None:
    first = await place(ordering, db, {TEA: 1})
    second = await place(ordering, db, {TEA: 1})
    for order in (first, second):
        await charged(db, order)
    open_shipments = await ordering.list_open_shipments(None, 10)
    assert [shipment.order_id for shipment in open_shipments] == [first.id, second.id]
    async with db.transaction() as tx:
        assert (await ordering.ship_order(tx, first.id)).status == OrderStatus.SHIPPED
    assert await ordering.list_open_shipments(None, 10) == open_shipments[1:]
    assert await ordering.list_open_shipments(first.id, 10) == open_shipments[1:]


async def test_nothing_is_shipped_before_it_is_charged(ordering: Ordering, db: Database) -> None:
    order = await place(ordering, db, {TEA: 1})
    with pytest.raises(ShipmentNotOpen):
        async with db.transaction() as tx:
            await ordering.ship_order(tx, order.id)


async def test_an_order_is_cancelled_or_shipped_once(ordering: Ordering, db: Database) -> None:
    order = await place(ordering, db, {TEA: 1})
    async with db.transaction() as tx:
        await ordering.cancel_order(tx, OWNER, order.id)
    with pytest.raises(OrderNotOpen, match="cancelled"):
        async with db.transaction() as tx:
            await ordering.cancel_order(tx, OWNER, order.id)
    with pytest.raises(OrderNotOpen, match="cancelled"):
        async with db.transaction() as tx:
            await ordering.ship_order(tx, order.id)


async def test_many_of_a_product_cost_less_each_once_the_discount_is_on(
    ordering: Ordering, db: Database, turn_on: Callable[[str], None]
) -> None:
    before = await place(ordering, db, {TEA: 10})
    turn_on("ordering.volume_discount")
    order = await place(ordering, db, {TEA: 10, POT: 1})
    assert before.total == Decimal("95.00")
    assert [line.unit_price for line in order.lines] == [Decimal("9.02"), Decimal("9.50")]
    assert await ordering.get_order(OWNER, before.id) == before


async def test_no_discount_makes_a_product_free(
    ordering: Ordering, db: Database, catalog: FakeCatalog, turn_on: Callable[[str], None]
) -> None:
    turn_on("ordering.volume_discount")
    catalog.price = Decimal("0.01")
    assert (await place(ordering, db, {TEA: 10})).total == Decimal("0.10")


async def test_a_charge_opens_one_shipment_however_often_and_late_it_is_told(
    ordering: Ordering, db: Database
) -> None:
    order = await place(ordering, db, {TEA: 1})
    for _ in range(2):
        await charged(db, order)
    assert len(await ordering.list_open_shipments(None, 10)) == 1
    async with db.transaction() as tx:
        await ordering.cancel_order(tx, OWNER, order.id)
    await charged(db, order)
    assert await ordering.list_open_shipments(None, 10) == []


async def test_an_unknown_order_is_not_found(ordering: Ordering, db: Database) -> None:
    with pytest.raises(OrderNotFound):
        await ordering.get_order(OWNER, uuid4())
    with pytest.raises(OrderNotFound):
        async with db.transaction() as tx:
            await ordering.cancel_order(tx, OWNER, uuid4())


async def test_the_orders_of_a_customer_are_theirs_alone(ordering: Ordering, db: Database) -> None:
    await place(ordering, db, {TEA: 1})
    assert await ordering.list_orders(OWNER, uuid4(), after=None, limit=10) == []


async def test_an_order_does_not_exist_for_others(ordering: Ordering, db: Database) -> None:
    order = await place(ordering, db, {TEA: 1})
    assert await ordering.list_orders("eve", ADA, after=None, limit=10) == []
    with pytest.raises(OrderNotFound):
        await ordering.get_order("eve", order.id)
    with pytest.raises(OrderNotFound):
        async with db.transaction() as tx:
            await ordering.cancel_order(tx, "eve", order.id)
    assert await ordering.get_order(OWNER, order.id) == order


async def test_a_list_goes_on_behind_the_last_id_seen(ordering: Ordering, db: Database) -> None:
    placed = [await place(ordering, db, {TEA: 1}) for _ in range(3)]
    first = await ordering.list_orders(OWNER, ADA, after=None, limit=2)
    rest = await ordering.list_orders(OWNER, ADA, after=first[-1].id, limit=2)
    assert [*first, *rest] == placed
