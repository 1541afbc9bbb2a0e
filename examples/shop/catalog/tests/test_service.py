import asyncio
from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

import pytest

from app.platform.database import Database

from .. import (
    Catalog,
    OutOfStock,
    PriceOutOfRange,
    Product,
    ProductNotFound,
    QuantityNotPositive,
    SkuTaken,
)

UNKNOWN = UUID("00000000-0000-7000-8000-000000000000")


async def add(catalog: Catalog, db: Database, sku: str, stock: int = 0) -> Product:
    async with db.transaction() as tx:
        product = await catalog.add_product(tx, sku, f"The {sku}", Decimal("9.50"))
        if stock:
            [product] = await catalog.restock(tx, {product.id: stock})
    return product


async def reserve(catalog: Catalog, db: Database, quantities: Mapping[UUID, int]) -> None:
    async with db.transaction() as tx:
        await catalog.reserve(tx, quantities)


async def stock_of(catalog: Catalog, *products: Product) -> list[int]:
    return [(await catalog.get_product(product.id)).stock for product in products]


async def test_a_product_can_be_read(catalog: Catalog, db: Database) -> None:
    tea = await add(catalog, db, "TEA", stock=3)
    assert await catalog.get_product(tea.id) == tea
    assert (tea.sku, tea.name, tea.price, tea.stock) == ("TEA", "The TEA", Decimal("9.50"), 3)


async def test_a_sku_can_be_taken_only_once(catalog: Catalog, db: Database) -> None:
    await add(catalog, db, "TEA")
    with pytest.raises(SkuTaken, match="TEA"):
        await add(catalog, db, "TEA")


async def test_a_list_goes_on_behind_the_last_id_seen(catalog: Catalog, db: Database) -> None:
    added = [await add(catalog, db, sku) for sku in ("A", "B", "C")]
    first = await catalog.list_products(after=None, limit=2)
    rest = await catalog.list_products(after=first[-1].id, limit=2)
    assert [*first, *rest] == added


async def test_what_is_reserved_is_gone_from_stock(catalog: Catalog, db: Database) -> None:
    tea, pot = await add(catalog, db, "TEA", stock=5), await add(catalog, db, "POT", stock=1)
    async with db.transaction() as tx:
        reserved = await catalog.reserve(tx, {pot.id: 1, tea.id: 2})
    assert {product.id: product.stock for product in reserved} == {tea.id: 3, pot.id: 0}
    assert await stock_of(catalog, tea, pot) == [3, 0]


async def test_either_all_is_reserved_or_nothing(catalog: Catalog, db: Database) -> None:
    tea, pot = await add(catalog, db, "TEA", stock=5), await add(catalog, db, "POT")
    with pytest.raises(OutOfStock, match=r"The POT \(POT\), 0 are left, not 1"):
        await reserve(catalog, db, {tea.id: 1, pot.id: 1})
    with pytest.raises(ProductNotFound):
        await reserve(catalog, db, {tea.id: 1, UNKNOWN: 1})
    assert await stock_of(catalog, tea, pot) == [5, 0]


async def test_what_was_reserved_of_too_much_is_undone_even_if_the_refusal_is_caught(
    catalog: Catalog, db: Database
) -> None:
    tea, pot = await add(catalog, db, "TEA", stock=5), await add(catalog, db, "POT")
    async with db.transaction() as tx:
        with pytest.raises(OutOfStock):
            async with tx.savepoint():
                await catalog.reserve(tx, {tea.id: 1, pot.id: 1})
        await catalog.reserve(tx, {tea.id: 2})
    assert await stock_of(catalog, tea, pot) == [3, 0]


@pytest.mark.parametrize("quantity", [0, -1])
async def test_less_than_one_is_refused(catalog: Catalog, db: Database, quantity: int) -> None:
    tea = await add(catalog, db, "TEA", stock=5)
    with pytest.raises(QuantityNotPositive):
        await reserve(catalog, db, {tea.id: quantity})
    with pytest.raises(QuantityNotPositive):
        async with db.transaction() as tx:
            await catalog.restock(tx, {tea.id: quantity})
    assert await stock_of(catalog, tea) == [5]


async def test_a_product_is_shown_as_it_was_until_a_change_is_committed(
    catalog: Catalog, db: Database
) -> None:
    tea = await add(catalog, db, "TEA", stock=5)
    assert await stock_of(catalog, tea) == [5]
    changed, seen = asyncio.Event(), asyncio.Event()

    async def reserve_slowly() -> None:
        async with db.transaction() as tx:
            await catalog.reserve(tx, {tea.id: 2})
            changed.set()
            await seen.wait()

    reserving = asyncio.create_task(reserve_slowly())
    await changed.wait()
    assert await stock_of(catalog, tea) == [5]
    seen.set()
    await reserving
    assert await stock_of(catalog, tea) == [3]


async def test_a_price_is_rounded_to_cents(catalog: Catalog, db: Database) -> None:
    async with db.transaction() as tx:
        tea = await catalog.add_product(tx, "TEA", "Tea", Decimal("9.5"))
    assert str(tea.price) == str((await catalog.get_product(tea.id)).price) == "9.50"


@pytest.mark.parametrize("price", ["0", "-1", "0.001", "1000000"])
async def test_a_price_out_of_range_is_refused(catalog: Catalog, db: Database, price: str) -> None:
    with pytest.raises(PriceOutOfRange):
        async with db.transaction() as tx:
            await catalog.add_product(tx, "TEA", "Tea", Decimal(price))


async def test_the_last_one_goes_to_one_of_those_who_want_it(
    catalog: Catalog, db: Database
) -> None:
    tea, pot = await add(catalog, db, "TEA", stock=1), await add(catalog, db, "POT", stock=1)
    wanted: list[Mapping[UUID, int]] = [{tea.id: 1, pot.id: 1}, {pot.id: 1, tea.id: 1}]
    outcomes = await asyncio.gather(
        *(reserve(catalog, db, each) for each in wanted * 4), return_exceptions=True
    )
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, OutOfStock) for outcome in outcomes) == 7
    assert await stock_of(catalog, tea, pot) == [0, 0]
