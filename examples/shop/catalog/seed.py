"""What `app db seed` puts here: a few products, and some of each in stock."""

from decimal import Decimal

from sqlalchemy import select

from app.platform.database import Tx

from . import Catalog
from .tables import ProductRow

PRODUCTS = {
    "TEA-POT": ("Teapot", "24.50"),
    "TEA-CUP": ("Cup", "6.90"),
    "TEA-EGG": ("Tea infuser", "3.20"),
}


async def seed(tx: Tx, catalog: Catalog) -> None:
    known = set(await tx.scalars(select(ProductRow.sku)))
    for sku, (name, price) in PRODUCTS.items():
        if sku not in known:
            product = await catalog.add_product(tx, sku, name, Decimal(price))
            await catalog.restock(tx, {product.id: 100})
