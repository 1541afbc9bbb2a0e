"""The tables of this module. Only its own code reads and writes them."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, func, MetaData, Numeric
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from uuid_utils.compat import uuid7

from app.platform.database import NAMING


class Base(DeclarativeBase):
    metadata = MetaData(schema="ordering", naming_convention=NAMING)


class OrderRow(Base):
    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    # Customers and products belong to other modules: their ids, but no foreign keys.
    customer_id: Mapped[UUID] = mapped_column(index=True)
    owner: Mapped[str]
    """Who placed it: the principal who registered the customer."""
    status: Mapped[str]
    placed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    lines: Mapped[list["LineRow"]] = relationship(
        lazy="selectin", order_by=lambda: LineRow.product_id
    )


class LineRow(Base):
    __tablename__ = "order_lines"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)

    order_id: Mapped[UUID] = mapped_column(ForeignKey(OrderRow.id), primary_key=True)
    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    quantity: Mapped[int]
    unit_price: Mapped[Decimal] = mapped_column(Numeric(8, 2))


class ShipmentRow(Base):
    """An order that waits to be packed. The row goes when the parcel does."""

    __tablename__ = "shipments"

    # Ids of orders grow with time: the primary key is also the order of pages.
    order_id: Mapped[UUID] = mapped_column(ForeignKey(OrderRow.id), primary_key=True)
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
