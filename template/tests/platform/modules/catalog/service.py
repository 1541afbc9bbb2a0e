"""The implementation of `Catalog`."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.platform.database import Database, Tx
from app.platform.errors import violated
from app.platform.jobs import Events

from . import (
    Item,
    ItemCreated,
    ItemNameTaken,
    ItemNotFound,
)
from .tables import ItemRow


class CatalogService:
    def __init__(self, db: Database, events: Events) -> None:
        self._db = db
        self._events = events

    async def create_item(
        self,
        tx: Tx,
        owner: str,
        name: str,
    ) -> Item:
        row = ItemRow(owner=owner, name=name)
        tx.add(row)
        try:
            await tx.flush()
        except IntegrityError as error:
            if violated(error) != "uq_items_owner_name":
                raise
            raise ItemNameTaken(f"The name {name!r} is taken.") from error
        await self._events.publish(tx, ItemCreated(row.id, owner, name))
        return _item(row)

    async def get_item(self, owner: str, id: UUID) -> Item:
        query = select(ItemRow).where(ItemRow.id == id)
        async with self._db.read() as reading:
            row = await reading.scalar(query.where(ItemRow.owner == owner))
        if row is None:
            raise ItemNotFound(f"There is no item {id}.")
        return _item(row)

    async def list_items(
        self,
        owner: str,
        after: UUID | None,
        limit: int,
    ) -> Sequence[Item]:
        query = select(ItemRow).where(ItemRow.owner == owner)
        if after is not None:
            query = query.where(ItemRow.id > after)
        query = query.order_by(ItemRow.id).limit(limit)
        async with self._db.read() as reading:
            rows = await reading.scalars(query)
            return [_item(row) for row in rows]


def _item(row: ItemRow) -> Item:
    return Item(row.id, row.name, row.created_at, row.ready_at)
