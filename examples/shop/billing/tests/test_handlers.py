from collections.abc import Awaitable, Callable
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from app.modules.identity import CustomerRegistered
from app.platform.database import Database
from app.platform.jobs import Events
from app.platform.wiring import Wired

from .. import AccountNotFound, Billing
from .conftest import OWNER


async def test_who_registers_has_an_account_soon(
    billing: Billing, db: Database, wired: Wired, run_jobs: Callable[[], Awaitable[int]]
) -> None:
    id: UUID = uuid4()
    async with db.transaction() as tx:
        await wired[Events].publish(tx, CustomerRegistered(id, OWNER))
    with pytest.raises(AccountNotFound):
        await billing.get_account(OWNER, id)
    await run_jobs()
    account = await billing.get_account(OWNER, id)
    assert (account.owed, account.limit) == (Decimal(0), Decimal(1000))


async def test_the_event_leaves_an_account_that_a_charge_has_opened_as_it_is(
    billing: Billing, db: Database, wired: Wired, run_jobs: Callable[[], Awaitable[int]]
) -> None:
    id: UUID = uuid4()
    async with db.transaction() as tx:
        await wired[Events].publish(tx, CustomerRegistered(id, OWNER))
        await billing.charge(tx, OWNER, id, uuid4(), Decimal(10))
    await run_jobs()
    assert (await billing.get_account(OWNER, id)).owed == 10
