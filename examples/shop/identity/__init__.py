"""Identity: who the customers are, and whether they may still act."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from app.platform.database import Tx
from app.platform.errors import Conflict, NotFound
from app.platform.jobs import Event


@dataclass(frozen=True, slots=True)
class Customer:
    id: UUID
    email: str
    name: str
    is_closed: bool


@dataclass(frozen=True, slots=True)
class CustomerRegistered(Event):
    customer_id: UUID
    owner: str


class CustomerNotFound(NotFound):
    """The owner has no customer with this id."""


class CustomerClosed(Conflict):
    """The customer has left; nothing more can be done in their name."""


class EmailTaken(Conflict):
    """Another customer has this e-mail address."""


class Identity(Protocol):
    """A customer is owned by the principal who registered them, by whose `id` they are asked for.

    Nobody else learns that they exist.
    """

    async def register_customer(self, tx: Tx, owner: str, email: str, name: str) -> Customer:
        """Register a customer and publish CustomerRegistered. Raises EmailTaken."""

    async def get_customer(self, owner: str, id: UUID) -> Customer:
        """Return a customer, closed or not. Raises CustomerNotFound."""

    async def hold_customer(self, tx: Tx, owner: str, id: UUID) -> Customer:
        """Return a customer who may act, and keep them from being closed until `tx` ends.

        Raises CustomerNotFound or CustomerClosed.
        """

    async def close_customer(self, tx: Tx, id: UUID) -> None:
        """Let a customer leave, whoever owns them; to close one twice changes nothing.

        Raises CustomerNotFound.

        Waits for those who hold them; close nobody whom you hold yourself.
        """
