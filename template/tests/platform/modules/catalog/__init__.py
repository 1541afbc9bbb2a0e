"""Catalog: what other modules may use of it. Everything else in this folder is private."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.platform.database import Tx
from app.platform.errors import Conflict, NotFound
from app.platform.jobs import Event


@dataclass(frozen=True, slots=True)
class Item:
    id: UUID
    name: str
    created_at: datetime
    ready_at: datetime | None
    """None until `prepare_item` has run."""


@dataclass(frozen=True, slots=True)
class ItemCreated(Event):
    id: UUID
    owner: str
    name: str


class ItemNotFound(NotFound):
    """The owner has no item with this id."""


class ItemNameTaken(Conflict):
    """The owner has another item with this name."""


class Catalog(Protocol):
    """What an owner has, nobody else sees. An owner is the `id` of a `Principal`."""

    async def create_item(
        self,
        tx: Tx,
        owner: str,
        name: str,
    ) -> Item:
        """Create inside the caller's transaction, and publish ItemCreated.

        Raises ItemNameTaken, which undoes it.
        """

    async def get_item(self, owner: str, id: UUID) -> Item:
        """Return one by its id. Raises ItemNotFound."""

    async def list_items(
        self,
        owner: str,
        after: UUID | None,
        limit: int,
    ) -> Sequence[Item]:
        """Return at most `limit`, oldest first, beginning behind the id `after`."""
