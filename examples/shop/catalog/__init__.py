"""Catalog: what is for sale, at which price, and how much of it is in stock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from app.platform.database import Tx
from app.platform.errors import Conflict, DomainError, NotFound


@dataclass(frozen=True, slots=True)
class Product:
    id: UUID
    sku: str
    name: str
    price: Decimal
    stock: int


class ProductNotFound(NotFound):
    """No product has this id."""


class SkuTaken(Conflict):
    """Another product has this stock-keeping unit."""


class OutOfStock(Conflict):
    """There is less of a product than is wanted."""


class PriceOutOfRange(DomainError):
    """A price is neither 0.01 nor 999,999.99 nor between them."""


class QuantityNotPositive(DomainError):
    """Less than one of a product cannot be reserved or restocked."""


class Catalog(Protocol):
    """Products are everybody's to look at; who may change them is for routes to say."""

    async def add_product(self, tx: Tx, sku: str, name: str, price: Decimal) -> Product:
        """Add a product, with none in stock yet; its price is rounded to cents.

        Raises SkuTaken or PriceOutOfRange.
        """

    async def get_product(self, id: UUID) -> Product:
        """Return one product. Raises ProductNotFound."""

    async def list_products(self, after: UUID | None, limit: int) -> Sequence[Product]:
        """Return at most `limit`, oldest first, beginning behind the id `after`."""

    async def reserve(self, tx: Tx, quantities: Mapping[UUID, int]) -> Sequence[Product]:
        """Take products from stock, all of them or none, and return them as they are then.

        Raises ProductNotFound, OutOfStock or QuantityNotPositive.
        """

    async def restock(self, tx: Tx, quantities: Mapping[UUID, int]) -> Sequence[Product]:
        """Put products into stock, be they delivered or given back, and return them.

        Raises ProductNotFound or QuantityNotPositive.
        """
