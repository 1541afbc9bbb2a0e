"""The tables of this module. Only its own code reads and writes them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, func, Index, MetaData, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.platform.database import NAMING


class Base(DeclarativeBase):
    metadata = MetaData(schema="catalog", naming_convention=NAMING)


class ItemRow(Base):
    __tablename__ = "items"
    # The index is for pages of what one owner has.
    __table_args__ = (
        UniqueConstraint("owner", "name"),
        Index("ix_items_owner_id", "owner", "id"),
    )

    # Version 7 ids grow with time: the primary key is also the order of pages.
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    owner: Mapped[str]
    """The id of the principal whose it is."""
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    ready_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
