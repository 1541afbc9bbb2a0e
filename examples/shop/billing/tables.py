"""The tables of this module. Only its own code reads and writes them."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, func, MetaData, Numeric
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import UniqueConstraint
from uuid_utils.compat import uuid7

from app.platform.database import NAMING


class Base(DeclarativeBase):
    metadata = MetaData(schema="billing", naming_convention=NAMING)


class AccountRow(Base):
    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("owed <= credit_limit", name="within_limit"),)

    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    """Who registered the customer, as identity says."""
    owed: Mapped[Decimal] = mapped_column(Numeric(14, 2), default=Decimal)
    credit_limit: Mapped[Decimal] = mapped_column(Numeric(14, 2))


class EntryRow(Base):
    __tablename__ = "entries"
    # Whatever goes wrong, no order is charged or refunded twice.
    __table_args__ = (UniqueConstraint("order_id", "kind"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(AccountRow.customer_id), index=True)
    kind: Mapped[str]
    amount: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    order_id: Mapped[UUID | None]
    booked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
