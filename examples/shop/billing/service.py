"""The implementation of `Billing`."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, select

from app.platform.database import Database, Tx
from app.platform.jobs import Events

from . import (
    Account,
    AccountNotFound,
    AlreadyCharged,
    AmountNotPositive,
    ChargeDeclined,
    ChargeNotFound,
    Entry,
    EntryKind,
    OrderCharged,
)
from .accounts import lock_account, open_account
from .tables import AccountRow, EntryRow

CENT = Decimal("0.01")


class BillingService:
    def __init__(self, db: Database, events: Events) -> None:
        self._db = db
        self._events = events

    async def charge(
        self, tx: Tx, owner: str, customer_id: UUID, order_id: UUID, amount: Decimal
    ) -> Entry:
        _check(amount)
        is_owned = AccountRow.owner == owner
        account = await lock_account(tx, customer_id, is_owned)
        if account is None:  # Whoever orders at once is faster than the news that they registered.
            await open_account(tx, owner, customer_id)
            account = await _lock(tx, customer_id, is_owned)
        if await _entry_of(tx, order_id, EntryKind.CHARGE) is not None:
            raise AlreadyCharged(f"The order {order_id} was charged before.")
        left = account.credit_limit - account.owed
        if amount > left:
            raise ChargeDeclined(f"The account may be charged {left} more, not {amount}.")
        entry = await _book(tx, account, EntryKind.CHARGE, amount, order_id)
        await self._events.publish(tx, OrderCharged(order_id, customer_id, amount))
        return entry

    async def refund(self, tx: Tx, order_id: UUID) -> Entry:
        charge = await _entry_of(tx, order_id, EntryKind.CHARGE)
        if charge is not None:
            account = await _lock(tx, charge.customer_id)
            # Asked behind the lock: two at a time cannot both find none.
            if await _entry_of(tx, order_id, EntryKind.REFUND) is None:
                return await _book(tx, account, EntryKind.REFUND, -charge.amount, order_id)
        raise ChargeNotFound(f"There is no charge of the order {order_id} to take back.")

    async def record_payment(self, tx: Tx, customer_id: UUID, amount: Decimal) -> Entry:
        _check(amount)
        account = await _lock(tx, customer_id)
        return await _book(tx, account, EntryKind.PAYMENT, -amount)

    async def get_account(self, owner: str, customer_id: UUID) -> Account:
        query = select(AccountRow).where(AccountRow.customer_id == customer_id)
        async with self._db.read() as reading:
            row = await reading.scalar(query.where(AccountRow.owner == owner))
        if row is None:
            raise _not_found(customer_id)
        return Account(row.customer_id, row.owed, row.credit_limit)

    async def list_entries(
        self, owner: str, customer_id: UUID, after: UUID | None, limit: int
    ) -> Sequence[Entry]:
        await self.get_account(owner, customer_id)  # Entries say nothing of an owner.
        query = select(EntryRow).where(EntryRow.customer_id == customer_id).order_by(EntryRow.id)
        if after is not None:
            query = query.where(EntryRow.id > after)
        async with self._db.read() as reading:
            rows = await reading.scalars(query.limit(limit))
            return [_entry(row) for row in rows]


def _check(amount: Decimal) -> None:
    if amount < CENT:
        raise AmountNotPositive(f"The amount must be at least {CENT}, not {amount}.")


async def _lock(tx: Tx, customer_id: UUID, *conditions: ColumnElement[bool]) -> AccountRow:
    account = await lock_account(tx, customer_id, *conditions)
    if account is None:
        raise _not_found(customer_id)
    return account


async def _book(
    tx: Tx, account: AccountRow, kind: EntryKind, amount: Decimal, order_id: UUID | None = None
) -> Entry:
    """Write an entry, and what the account then owes."""
    amount = amount.quantize(CENT)
    account.owed += amount
    row = EntryRow(customer_id=account.customer_id, kind=kind, amount=amount, order_id=order_id)
    tx.add(row)
    await tx.flush()
    return _entry(row)


async def _entry_of(tx: Tx, order_id: UUID, kind: EntryKind) -> EntryRow | None:
    query = select(EntryRow).where(EntryRow.order_id == order_id, EntryRow.kind == kind)
    return await tx.scalar(query)


def _entry(row: EntryRow) -> Entry:
    return Entry(row.id, EntryKind(row.kind), row.amount, row.order_id, row.booked_at)


def _not_found(customer_id: UUID) -> AccountNotFound:
    return AccountNotFound(f"The customer {customer_id} has no account.")
