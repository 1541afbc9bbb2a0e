"""The tables of this module. Only its own code reads and writes them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, func, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.platform.database import NAMING


class Base(DeclarativeBase):
    metadata = MetaData(schema="identity", naming_convention=NAMING)


class CustomerRow(Base):
    __tablename__ = "customers"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    owner: Mapped[str]
    """The id of the principal who registered them."""
    email: Mapped[str] = mapped_column(unique=True)
    """In lower case, so that it is unique however it is typed."""
    name: Mapped[str]
    registered_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now()
    )
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
