"""What `app db seed` puts here: a customer of whoever `app token` makes tokens for."""

from sqlalchemy import select

from app.platform.database import Tx

from . import Identity
from .tables import CustomerRow

OWNER, EMAIL = "me", "ada@example.org"


async def seed(tx: Tx, identity: Identity) -> None:
    if await tx.scalar(select(CustomerRow.id).where(CustomerRow.email == EMAIL)) is None:
        await identity.register_customer(tx, OWNER, EMAIL, "Ada Lovelace")
