"""The implementation of `Catalog`."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.platform.database import Database, Tx

from . import OutOfStock, Product, ProductNotFound, SkuTaken
from .tables import ProductRow


class CatalogService:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def add_product(self, tx: Tx, sku: str, name: str, price: Decimal) -> Product:
        row = ProductRow(sku=sku, name=name, price=price)
        tx.add(row)
        try:
            await tx.flush()
        except IntegrityError as error:
            if "uq_products_sku" not in str(error.orig):
                raise
            raise SkuTaken(f"The SKU {sku!r} is taken.") from error
        return _product(row)

    async def get_product(self, id: UUID) -> Product:
        async with self._db.transaction() as tx:
            row = await tx.get(ProductRow, id)
        if row is None:
            raise ProductNotFound(f"There is no product {id}.")
        return _product(row)

    async def list_products(self, after: UUID | None, limit: int) -> Sequence[Product]:
        query = select(ProductRow).order_by(ProductRow.id)
        if after is not None:
            query = query.where(ProductRow.id > after)
        async with self._db.transaction() as tx:
            rows = await tx.scalars(query.limit(limit))
            return [_product(row) for row in rows]

    async def reserve(self, tx: Tx, quantities: Mapping[UUID, int]) -> Sequence[Product]:
        rows = await _lock(tx, quantities.keys())
        for row in rows:
            wanted = quantities[row.id]
            if row.stock < wanted:
                raise OutOfStock(f"Of {row.name} ({row.sku}), {row.stock} are left, not {wanted}.")
            row.stock -= wanted
        await tx.flush()
        return [_product(row) for row in rows]

    async def restock(self, tx: Tx, quantities: Mapping[UUID, int]) -> Sequence[Product]:
        rows = await _lock(tx, quantities.keys())
        for row in rows:
            row.stock += quantities[row.id]
        await tx.flush()
        return [_product(row) for row in rows]


async def _lock(tx: Tx, ids: Collection[UUID]) -> Sequence[ProductRow]:
    """Lock products until the transaction ends.

    Everybody locks in the order of the ids: two who want the same products the other way round
    would wait for each other for ever.
    """
    query = select(ProductRow).where(ProductRow.id.in_(ids)).order_by(ProductRow.id)
    # What this transaction read of them before it had the lock may have changed since: read anew.
    query = query.with_for_update().execution_options(populate_existing=True)
    rows = (await tx.scalars(query)).all()
    if missing := set(ids) - {row.id for row in rows}:
        raise ProductNotFound(f"There is no product {min(missing)}.")
    return rows


def _product(row: ProductRow) -> Product:
    return Product(row.id, row.sku, row.name, row.price, row.stock)
