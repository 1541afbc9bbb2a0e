"""Ordering: what customers bought, and whether it has been shipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from app.platform.database import Tx
from app.platform.errors import Conflict, DomainError, NotFound


class OrderStatus(StrEnum):
    """There is no state before `confirmed`: stock, charge and order are committed together."""

    CONFIRMED = "confirmed"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Line:
    product_id: UUID
    quantity: int
    unit_price: Decimal
    """As it was when the order was placed."""


@dataclass(frozen=True, slots=True)
class Order:
    id: UUID
    customer_id: UUID
    status: OrderStatus
    lines: Sequence[Line]
    total: Decimal
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class Shipment:
    """An order that waits to be packed."""

    order_id: UUID
    opened_at: datetime


class OrderEmpty(DomainError):
    """An order needs at least one line."""


class OrderNotFound(NotFound):
    """The owner has no order with this id."""


class OrderNotOpen(Conflict):
    """The order has been shipped or cancelled."""


class ShipmentNotOpen(Conflict):
    """The order has no shipment to send yet."""


class Ordering(Protocol):
    """An order is its customer's, and so the `owner`'s who registered them: an id of a principal."""

    async def place_order(
        self, tx: Tx, owner: str, customer_id: UUID, quantities: Mapping[UUID, int]
    ) -> Order:
        """Reserve the products, charge the customer and confirm the order, or do nothing.

        Raises OrderEmpty, and what Identity.hold_customer, Catalog.reserve and Billing.charge raise.
        """

    async def cancel_order(self, tx: Tx, owner: str, id: UUID) -> Order:
        """Refund an order and put its products back. Raises OrderNotFound or OrderNotOpen."""

    async def ship_order(self, tx: Tx, id: UUID) -> Order:
        """Send an order off, whoever owns it. Raises OrderNotFound, OrderNotOpen or ShipmentNotOpen."""

    async def get_order(self, owner: str, id: UUID) -> Order:
        """Return one order. Raises OrderNotFound."""

    async def list_orders(
        self, owner: str, customer_id: UUID, after: UUID | None, limit: int
    ) -> Sequence[Order]:
        """Return at most `limit` of a customer, oldest first, beginning behind the id `after`.

        Of a customer who is not the owner's, there are none.
        """

    async def list_open_shipments(self, after: UUID | None, limit: int) -> Sequence[Shipment]:
        """Return at most `limit`, of the oldest orders first, beginning behind that of `after`.

        They are everybody's: whoever packs them asks.
        """
