import asyncio
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from app.platform.database import Database

from .. import (
    AccountNotFound,
    AlreadyCharged,
    AmountNotPositive,
    Billing,
    ChargeDeclined,
    ChargeNotFound,
    EntryKind,
)
from ..accounts import open_account
from .conftest import OWNER


async def charge(billing: Billing, db: Database, customer_id: UUID, amount: str) -> UUID:
    order_id = uuid4()
    async with db.transaction() as tx:
        await billing.charge(tx, OWNER, customer_id, order_id, Decimal(amount))
    return order_id


async def pay(billing: Billing, db: Database, customer_id: UUID, amount: str) -> None:
    async with db.transaction() as tx:
        await billing.record_payment(tx, customer_id, Decimal(amount))


async def refund(billing: Billing, db: Database, order_id: UUID) -> None:
    async with db.transaction() as tx:
        await billing.refund(tx, order_id)


async def owed(billing: Billing, customer_id: UUID) -> Decimal:
    """What the account owes, which is what its entries add up to."""
    entries = await billing.list_entries(OWNER, customer_id, after=None, limit=100)
    account = await billing.get_account(OWNER, customer_id)
    assert account.owed == sum(entry.amount for entry in entries)
    return account.owed


async def test_charges_payments_and_refunds_add_up(
    billing: Billing, db: Database, customer_id: UUID
) -> None:
    assert await owed(billing, customer_id) == 0
    order_id = await charge(billing, db, customer_id, "99.95")
    await charge(billing, db, customer_id, "0.05")
    await pay(billing, db, customer_id, "60.00")
    assert await owed(billing, customer_id) == 40
    await refund(billing, db, order_id)
    assert await owed(billing, customer_id) == Decimal("-59.95")
    entries = await billing.list_entries(OWNER, customer_id, after=None, limit=100)
    kinds = [entry.kind for entry in entries]
    assert kinds == [EntryKind.CHARGE, EntryKind.CHARGE, EntryKind.PAYMENT, EntryKind.REFUND]
    assert await billing.list_entries(OWNER, customer_id, entries[2].id, limit=100) == entries[3:]


async def test_a_charge_is_declined_when_the_limit_would_be_passed(
    billing: Billing, db: Database, customer_id: UUID
) -> None:
    await charge(billing, db, customer_id, "900")
    with pytest.raises(ChargeDeclined, match=r"100\.00 more, not 100\.01"):
        await charge(billing, db, customer_id, "100.01")
    await charge(billing, db, customer_id, "100")
    assert await owed(billing, customer_id) == 1000


async def test_charges_at_the_same_time_cannot_pass_the_limit_together(
    billing: Billing, db: Database, customer_id: UUID
) -> None:
    charges = (charge(billing, db, customer_id, "400") for _ in range(5))
    outcomes = await asyncio.gather(*charges, return_exceptions=True)
    assert sum(isinstance(outcome, ChargeDeclined) for outcome in outcomes) == 3
    assert await owed(billing, customer_id) == 800


async def test_an_order_is_charged_once(billing: Billing, db: Database, customer_id: UUID) -> None:
    order_id = await charge(billing, db, customer_id, "10")
    with pytest.raises(AlreadyCharged):
        async with db.transaction() as tx:
            await billing.charge(tx, OWNER, customer_id, order_id, Decimal(10))
    assert await owed(billing, customer_id) == 10


@pytest.mark.parametrize("amount", ["0", "-10", "0.001"])
async def test_less_than_a_cent_is_refused(
    billing: Billing, db: Database, customer_id: UUID, amount: str
) -> None:
    with pytest.raises(AmountNotPositive):
        await charge(billing, db, customer_id, amount)
    with pytest.raises(AmountNotPositive):
        await pay(billing, db, customer_id, amount)
    assert await owed(billing, customer_id) == 0


async def test_the_ledger_of_a_customer_is_theirs_alone(
    billing: Billing, db: Database, customer_id: UUID
) -> None:
    other = uuid4()
    async with db.transaction() as tx:
        await open_account(tx, OWNER, other)
    await charge(billing, db, other, "10")
    assert await owed(billing, other) == 10
    assert await billing.list_entries(OWNER, customer_id, after=None, limit=100) == []


async def test_an_account_does_not_exist_for_others(
    billing: Billing, db: Database, customer_id: UUID
) -> None:
    with pytest.raises(AccountNotFound):
        await billing.get_account("eve", customer_id)
    with pytest.raises(AccountNotFound):
        await billing.list_entries("eve", customer_id, after=None, limit=100)
    with pytest.raises(AccountNotFound):
        async with db.transaction() as tx:
            await billing.charge(tx, "eve", customer_id, uuid4(), Decimal(10))
    assert await owed(billing, customer_id) == 0


async def test_an_order_is_refunded_once(billing: Billing, db: Database, customer_id: UUID) -> None:
    order_id = await charge(billing, db, customer_id, "10")
    refunds = (refund(billing, db, order_id) for _ in range(4))
    outcomes = await asyncio.gather(*refunds, return_exceptions=True)
    assert sum(isinstance(outcome, ChargeNotFound) for outcome in outcomes) == 3
    assert await owed(billing, customer_id) == 0


async def test_the_first_charge_opens_the_account(billing: Billing, db: Database) -> None:
    id = uuid4()
    charges = (charge(billing, db, id, "400") for _ in range(3))
    outcomes = await asyncio.gather(*charges, return_exceptions=True)
    assert sum(isinstance(outcome, ChargeDeclined) for outcome in outcomes) == 1
    assert await owed(billing, id) == 800


async def test_without_an_account_there_is_nothing_to_pay_or_see(
    billing: Billing, db: Database
) -> None:
    with pytest.raises(AccountNotFound):
        await pay(billing, db, uuid4(), "1")
    with pytest.raises(AccountNotFound):
        await billing.get_account(OWNER, uuid4())
    with pytest.raises(AccountNotFound):
        await billing.list_entries(OWNER, uuid4(), after=None, limit=100)


async def test_what_was_never_charged_is_not_refunded(billing: Billing, db: Database) -> None:
    with pytest.raises(ChargeNotFound):
        await refund(billing, db, uuid4())
