"""Billing: what customers owe. Each buys on account, up to a limit, and pays later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from app.platform.database import Tx
from app.platform.errors import Conflict, DomainError, NotFound
from app.platform.jobs import Event


@dataclass(frozen=True, slots=True)
class Account:
    customer_id: UUID
    owed: Decimal
    """Negative where the customer has paid more than that."""
    limit: Decimal


class EntryKind(StrEnum):
    CHARGE = "charge"
    PAYMENT = "payment"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the ledger. What an account owes is the sum of its entries."""

    id: UUID
    kind: EntryKind
    amount: Decimal
    """Negative where it lowers what the customer owes."""
    order_id: UUID | None
    booked_at: datetime


@dataclass(frozen=True, slots=True)
class OrderCharged(Event):
    order_id: UUID
    customer_id: UUID
    amount: Decimal


class AccountNotFound(NotFound):
    """The owner has no such customer, or their account is not open yet: it is soon after they
    registered."""


class ChargeNotFound(NotFound):
    """The order was not charged, or was refunded already."""


class AlreadyCharged(Conflict):
    """The order was charged before."""


class AmountNotPositive(DomainError):
    """Less than a cent can be neither charged nor paid."""


class ChargeDeclined(Conflict):
    """The customer would owe more than their limit."""


class Billing(Protocol):
    """An account is its customer's, and so the `owner`'s who registered them: an id of a principal."""

    async def charge(
        self, tx: Tx, owner: str, customer_id: UUID, order_id: UUID, amount: Decimal
    ) -> Entry:
        """Put an order on its customer's account and publish OrderCharged.

        Opens the account if there is none yet: the caller knows that the owner has this customer.
        Raises ChargeDeclined, AlreadyCharged, AmountNotPositive or AccountNotFound.
        """

    async def refund(self, tx: Tx, order_id: UUID) -> Entry:
        """Take back what an order was charged. Raises ChargeNotFound."""

    async def record_payment(self, tx: Tx, customer_id: UUID, amount: Decimal) -> Entry:
        """Book what a customer has paid, whoever owns them. Raises AmountNotPositive or AccountNotFound."""

    async def get_account(self, owner: str, customer_id: UUID) -> Account:
        """Return what a customer owes and may owe. Raises AccountNotFound."""

    async def list_entries(
        self, owner: str, customer_id: UUID, after: UUID | None, limit: int
    ) -> Sequence[Entry]:
        """Return at most `limit`, oldest first, beginning behind the id `after`.

        Raises AccountNotFound.
        """
