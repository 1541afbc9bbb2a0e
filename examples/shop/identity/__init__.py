"""Identity: who the customers are, and whether they may still act."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from app.platform.database import Tx
from app.platform.errors import Conflict, NotFound
from app.platform.events import Event


@dataclass(frozen=True, slots=True)
class Customer:
    id: UUID
    email: str
    name: str
    is_closed: bool


@dataclass(frozen=True, slots=True)
class CustomerRegistered(Event):
    customer_id: UUID


class CustomerNotFound(NotFound):
    """No customer has this id."""


class CustomerClosed(Conflict):
    """The customer has left; nothing more can be done in their name."""


class EmailTaken(Conflict):
    """Another customer has this e-mail address."""


class Identity(Protocol):
    async def register_customer(self, tx: Tx, email: str, name: str) -> Customer:
        """Register a customer and publish CustomerRegistered. Raises EmailTaken."""

    async def get_customer(self, id: UUID) -> Customer:
        """Return a customer, closed or not. Raises CustomerNotFound."""

    async def hold_customer(self, tx: Tx, id: UUID) -> Customer:
        """Return a customer who may act, and keep them from being closed until `tx` ends.

        Raises CustomerNotFound or CustomerClosed.
        """

    async def close_customer(self, tx: Tx, id: UUID) -> None:
        """Let a customer leave; to close one twice changes nothing. Raises CustomerNotFound.

        Waits for those who hold them; close nobody whom you hold yourself.
        """
