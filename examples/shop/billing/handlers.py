"""What this module does when another one says what happened.

An event may arrive twice: a handler leaves things as if it had arrived once.
"""

from decimal import Decimal

from sqlalchemy.dialects.postgresql import insert

from app.modules.identity import CustomerRegistered
from app.platform.database import Tx

from .tables import AccountRow

CREDIT_LIMIT = Decimal(1000)
"""What a new customer may owe."""


async def open_account(tx: Tx, event: CustomerRegistered) -> None:
    account = insert(AccountRow).values(customer_id=event.customer_id, credit_limit=CREDIT_LIMIT)
    await tx.execute(account.on_conflict_do_nothing())
