"""The tables of this module. Only its own code reads and writes them."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, MetaData, Numeric
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.platform.database import NAMING


class Base(DeclarativeBase):
    metadata = MetaData(schema="catalog", naming_convention=NAMING)


class ProductRow(Base):
    __tablename__ = "products"
    __table_args__ = (CheckConstraint("stock >= 0", name="stock"),)

    # Version 7 ids grow with time: the primary key is also the order of pages.
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    sku: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    stock: Mapped[int] = mapped_column(BigInteger, default=0)
