"""What this module does when another one says what happened.

An event may arrive twice, or late: a handler leaves things as if it had arrived once, in time.
"""

from app.modules.identity import CustomerRegistered
from app.platform.database import Tx

from .accounts import open_account


async def welcome_customer(tx: Tx, event: CustomerRegistered) -> None:
    """Who has registered has an account, ordered or not."""
    await open_account(tx, event.owner, event.customer_id)
