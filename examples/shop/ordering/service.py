"""The implementation of `Ordering`."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select

from app.modules.billing import Billing
from app.modules.catalog import Catalog
from app.modules.identity import Identity
from app.platform.database import Database, Tx
from app.platform.flags import Flags

from . import (
    Line,
    Order,
    OrderEmpty,
    OrderNotFound,
    OrderNotOpen,
    OrderStatus,
    Shipment,
    ShipmentNotOpen,
)
from .tables import LineRow, OrderRow, ShipmentRow

_MANY = 10
_DISCOUNTED = Decimal("0.95")
_CENT = Decimal("0.01")


class OrderingService:
    def __init__(
        self, db: Database, flags: Flags, identity: Identity, catalog: Catalog, billing: Billing
    ) -> None:
        self._db = db
        self._flags = flags
        self._identity = identity
        self._catalog = catalog
        self._billing = billing

    async def place_order(
        self, tx: Tx, owner: str, customer_id: UUID, quantities: Mapping[UUID, int]
    ) -> Order:
        if not quantities:
            raise OrderEmpty("An order needs at least one line.")
        await self._identity.hold_customer(tx, owner, customer_id)
        products = await self._catalog.reserve(tx, quantities)
        discount = self._flags.is_on("volume_discount", user=customer_id)
        row = OrderRow(
            owner=owner,
            customer_id=customer_id,
            status=OrderStatus.CONFIRMED,
            lines=[
                LineRow(
                    product_id=product.id,
                    quantity=quantities[product.id],
                    unit_price=_price(product.price, quantities[product.id], discount),
                )
                for product in products
            ],
        )
        tx.add(row)
        await tx.flush()
        order = _order(row)
        await self._billing.charge(tx, owner, customer_id, order.id, order.total)
        return order

    async def cancel_order(self, tx: Tx, owner: str, id: UUID) -> Order:
        row = await _lock_open(tx, id, OrderRow.owner == owner)
        row.status = OrderStatus.CANCELLED
        await tx.execute(delete(ShipmentRow).where(ShipmentRow.order_id == id))
        await self._catalog.restock(tx, {line.product_id: line.quantity for line in row.lines})
        await self._billing.refund(tx, id)
        return _order(row)

    async def ship_order(self, tx: Tx, id: UUID) -> Order:
        row = await _lock_open(tx, id)
        shipment = await tx.get(ShipmentRow, id)
        if shipment is None:
            raise ShipmentNotOpen(f"The shipment of the order {id} is not open yet.")
        row.status = OrderStatus.SHIPPED
        await tx.delete(shipment)
        return _order(row)

    async def get_order(self, owner: str, id: UUID) -> Order:
        query = select(OrderRow).where(OrderRow.id == id, OrderRow.owner == owner)
        async with self._db.read() as reading:
            row = await reading.scalar(query)
        if row is None:
            raise _not_found(id)
        return _order(row)

    async def list_orders(
        self, owner: str, customer_id: UUID, after: UUID | None, limit: int
    ) -> Sequence[Order]:
        query = select(OrderRow).where(OrderRow.customer_id == customer_id, OrderRow.owner == owner)
        if after is not None:
            query = query.where(OrderRow.id > after)
        async with self._db.read() as reading:
            rows = await reading.scalars(query.order_by(OrderRow.id).limit(limit))
            return [_order(row) for row in rows]

    async def list_open_shipments(self, after: UUID | None, limit: int) -> Sequence[Shipment]:
        query = select(ShipmentRow).order_by(ShipmentRow.order_id)
        if after is not None:
            query = query.where(ShipmentRow.order_id > after)
        async with self._db.read() as reading:
            rows = await reading.scalars(query.limit(limit))
            return [Shipment(row.order_id, row.opened_at) for row in rows]


async def _lock_open(tx: Tx, id: UUID, *conditions: ColumnElement[bool]) -> OrderRow:
    """Lock an order that can still change, until the transaction ends."""
    query = select(OrderRow).where(OrderRow.id == id, *conditions)
    row = await tx.scalar(query.with_for_update().execution_options(populate_existing=True))
    if row is None:
        raise _not_found(id)
    if row.status != OrderStatus.CONFIRMED:
        raise OrderNotOpen(f"The order {id} is {row.status}.")
    return row


def _price(price: Decimal, quantity: int, discount: bool) -> Decimal:
    """Return what one of them costs, in whole cents. No discount makes it free."""
    if not discount or quantity < _MANY:
        return price
    return max(_CENT, (price * _DISCOUNTED).quantize(_CENT))


def _order(row: OrderRow) -> Order:
    lines = [Line(line.product_id, line.quantity, line.unit_price) for line in row.lines]
    total = sum(line.quantity * line.unit_price for line in lines)
    return Order(
        row.id, row.customer_id, OrderStatus(row.status), lines, Decimal(total), row.placed_at
    )


def _not_found(id: UUID) -> OrderNotFound:
    return OrderNotFound(f"There is no order {id}.")
