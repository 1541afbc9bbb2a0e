"""The implementation of `Catalog`."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.platform.cache import Cache
from app.platform.database import Database, Tx
from app.platform.errors import violated

from . import (
    OutOfStock,
    PriceOutOfRange,
    Product,
    ProductNotFound,
    QuantityNotPositive,
    SkuTaken,
)
from .tables import ProductRow

CENT, DEAREST = Decimal("0.01"), Decimal("999999.99")


class CatalogService:
    def __init__(self, db: Database, cache: Cache) -> None:
        self._db = db
        # A product is everybody's; what is an owner's would have the owner in its key.
        # Stock included, which changes: processes that share no Redis may show that of 5 s ago.
        self._products = cache.of("product", Product, ttl=5)

    async def add_product(self, tx: Tx, sku: str, name: str, price: Decimal) -> Product:
        if not CENT <= price <= DEAREST:
            raise PriceOutOfRange(f"A price is between {CENT} and {DEAREST}, not {price}.")
        row = ProductRow(sku=sku, name=name, price=price.quantize(CENT))
        tx.add(row)
        try:
            await tx.flush()
        except IntegrityError as error:
            if violated(error) != "uq_products_sku":
                raise
            raise SkuTaken(f"The SKU {sku!r} is taken.") from error
        return _product(row)

    async def get_product(self, id: UUID) -> Product:
        return await self._products.get(str(id), partial(self._load, id))

    async def _load(self, id: UUID) -> Product:
        async with self._db.read() as reading:
            row = await reading.get(ProductRow, id)
        if row is None:
            raise ProductNotFound(f"There is no product {id}.")
        return _product(row)

    async def list_products(self, after: UUID | None, limit: int) -> Sequence[Product]:
        query = select(ProductRow).order_by(ProductRow.id)
        if after is not None:
            query = query.where(ProductRow.id > after)
        async with self._db.read() as reading:
            rows = await reading.scalars(query.limit(limit))
            return [_product(row) for row in rows]

    async def reserve(self, tx: Tx, quantities: Mapping[UUID, int]) -> Sequence[Product]:
        rows = await _lock(tx, quantities)
        for row in rows:
            wanted = quantities[row.id]
            if row.stock < wanted:
                raise OutOfStock(f"Of {row.name} ({row.sku}), {row.stock} are left, not {wanted}.")
            row.stock -= wanted
        return await self._changed(tx, rows)

    async def restock(self, tx: Tx, quantities: Mapping[UUID, int]) -> Sequence[Product]:
        rows = await _lock(tx, quantities)
        for row in rows:
            row.stock += quantities[row.id]
        return await self._changed(tx, rows)

    async def _changed(self, tx: Tx, rows: Sequence[ProductRow]) -> Sequence[Product]:
        await tx.flush()
        for row in rows:
            self._products.invalidate(tx, str(row.id))
        return [_product(row) for row in rows]


async def _lock(tx: Tx, quantities: Mapping[UUID, int]) -> Sequence[ProductRow]:
    """Lock products until the transaction ends.

    Everybody locks in the order of the ids: two who want the same products the other way round
    would wait for each other for ever.
    """
    if any(quantity < 1 for quantity in quantities.values()):
        raise QuantityNotPositive("The quantity of each product must be at least 1.")
    query = select(ProductRow).where(ProductRow.id.in_(quantities)).order_by(ProductRow.id)
    # What this session has read before it had the lock may have changed since.
    query = query.with_for_update().execution_options(populate_existing=True)
    rows = (await tx.scalars(query)).all()
    if missing := quantities.keys() - {row.id for row in rows}:
        raise ProductNotFound(f"There is no product {min(missing)}.")
    return rows


def _product(row: ProductRow) -> Product:
    return Product(row.id, row.sku, row.name, row.price, row.stock)
