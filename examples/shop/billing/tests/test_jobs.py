from collections.abc import Awaitable, Callable
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from app.platform.database import Database

from .. import Billing
from ..jobs import Audit, audit_ledger, LedgerError
from ..tables import AccountRow
from .conftest import OWNER


async def test_a_ledger_that_agrees_passes_the_audit_and_one_that_does_not_is_told(
    billing: Billing, db: Database, customer_id: UUID, run_jobs: Callable[[], Awaitable[int]]
) -> None:
    async with db.transaction() as tx:
        await billing.charge(tx, OWNER, customer_id, uuid4(), Decimal(10))
        await audit_ledger.enqueue(tx, Audit())
    await run_jobs()
    async with db.transaction() as tx:
        await tx.execute(update(AccountRow).values(owed=9))
        await audit_ledger.enqueue(tx, Audit())
    with pytest.raises(LedgerError, match=str(customer_id)):
        await run_jobs()
