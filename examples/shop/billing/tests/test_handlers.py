from decimal import Decimal
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from app.modules.identity import CustomerRegistered, Identity
from app.platform.database import Database
from app.platform.wiring import Wired

from .. import Billing
from ..handlers import open_account


async def test_who_registers_has_an_account(
    billing: Billing, engine: AsyncEngine, wired: Wired
) -> None:
    async with Database(engine, "identity").transaction() as tx:
        ada = await wired[Identity].register_customer(tx, "ada@example.org", "Ada")
    account = await billing.get_account(ada.id)
    assert (account.owed, account.limit) == (Decimal(0), Decimal(1000))


async def test_the_same_event_again_leaves_the_account_as_it_is(
    billing: Billing, db: Database, customer_id: UUID
) -> None:
    async with db.transaction() as tx:
        await billing.charge(tx, customer_id, uuid4(), Decimal(10))
        await open_account(tx, CustomerRegistered(customer_id))
    assert (await billing.get_account(customer_id)).owed == 10
