"""What this module does later, in `app worker`."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, update

from app.platform.database import Tx
from app.platform.jobs import job

from .tables import ItemRow


@dataclass(frozen=True)
class PrepareItem:
    id: UUID


@job()
async def prepare_item(tx: Tx, new: PrepareItem) -> None:
    """Do for a new item what would keep a request waiting; then it is ready.

    It may run twice: the second time, there is nothing left to do.
    """
    waiting = update(ItemRow).where(ItemRow.id == new.id)
    waiting = waiting.where(ItemRow.ready_at.is_(None))
    await tx.execute(waiting.values(ready_at=func.now()))
