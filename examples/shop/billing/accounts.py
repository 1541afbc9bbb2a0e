"""Accounts: opened once, and locked for every booking."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import insert

from app.platform.database import Tx

from .tables import AccountRow

CREDIT_LIMIT = Decimal(1000)
"""What a new customer may owe."""


async def open_account(tx: Tx, owner: str, customer_id: UUID) -> None:
    """Open a customer's account; one that is open already stays as it is."""
    account = insert(AccountRow).values(
        customer_id=customer_id, owner=owner, credit_limit=CREDIT_LIMIT
    )
    await tx.execute(account.on_conflict_do_nothing())


async def lock_account(
    tx: Tx, customer_id: UUID, *conditions: ColumnElement[bool]
) -> AccountRow | None:
    """Lock an account until the transaction ends: all bookings on it follow one another."""
    query = select(AccountRow).where(AccountRow.customer_id == customer_id, *conditions)
    query = query.with_for_update().execution_options(populate_existing=True)
    return await tx.scalar(query)
