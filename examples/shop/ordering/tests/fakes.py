"""Stand-ins for the modules that this one calls. As subclasses of the interfaces they cannot drift
from them: mypy says so."""

from collections.abc import Mapping, Sequence
from datetime import datetime, UTC
from decimal import Decimal
from uuid import UUID, uuid4

from app.modules.billing import (
    Account,
    Billing,
    ChargeDeclined,
    ChargeNotFound,
    Entry,
    EntryKind,
)
from app.modules.catalog import Catalog, Product
from app.modules.identity import Customer, Identity
from app.platform.database import Tx


class FakeIdentity(Identity):
    """Everybody is a customer, and everybody's."""

    async def register_customer(self, tx: Tx, owner: str, email: str, name: str) -> Customer:
        return Customer(uuid4(), email, name, is_closed=False)

    async def get_customer(self, owner: str, id: UUID) -> Customer:
        return Customer(id, "ada@example.org", "Ada", is_closed=False)

    async def hold_customer(self, tx: Tx, owner: str, id: UUID) -> Customer:
        return Customer(id, "ada@example.org", "Ada", is_closed=False)

    async def close_customer(self, tx: Tx, id: UUID) -> None:
        pass


class FakeCatalog(Catalog):
    """Everything is in stock and costs `price`. `taken` says how much of it is out."""

    def __init__(self) -> None:
        self.price = Decimal("9.50")
        self.taken: dict[UUID, int] = {}

    async def add_product(self, tx: Tx, sku: str, name: str, price: Decimal) -> Product:
        raise NotImplementedError

    async def get_product(self, id: UUID) -> Product:
        return Product(id, "TEA", "Tea", self.price, stock=1000)

    async def list_products(self, after: UUID | None, limit: int) -> Sequence[Product]:
        return []

    async def reserve(self, tx: Tx, quantities: Mapping[UUID, int]) -> Sequence[Product]:
        return [await self._take(id, quantity) for id, quantity in quantities.items()]

    async def restock(self, tx: Tx, quantities: Mapping[UUID, int]) -> Sequence[Product]:
        return [await self._take(id, -quantity) for id, quantity in quantities.items()]

    async def _take(self, id: UUID, quantity: int) -> Product:
        self.taken[id] = self.taken.get(id, 0) + quantity
        return await self.get_product(id)


class FakeBilling(Billing):
    """Declines what costs more than 100. `charged` says what each order was charged."""

    def __init__(self) -> None:
        self.charged: dict[UUID, Decimal] = {}

    async def charge(
        self, tx: Tx, owner: str, customer_id: UUID, order_id: UUID, amount: Decimal
    ) -> Entry:
        if amount > 100:
            raise ChargeDeclined("Too much.")
        self.charged[order_id] = amount
        return Entry(uuid4(), EntryKind.CHARGE, amount, order_id, datetime.now(UTC))

    async def refund(self, tx: Tx, order_id: UUID) -> Entry:
        if order_id not in self.charged:
            raise ChargeNotFound("Not charged.")
        amount = -self.charged.pop(order_id)
        return Entry(uuid4(), EntryKind.REFUND, amount, order_id, datetime.now(UTC))

    async def record_payment(self, tx: Tx, customer_id: UUID, amount: Decimal) -> Entry:
        raise NotImplementedError

    async def get_account(self, owner: str, customer_id: UUID) -> Account:
        raise NotImplementedError

    async def list_entries(
        self, owner: str, customer_id: UUID, after: UUID | None, limit: int
    ) -> Sequence[Entry]:
        return []
