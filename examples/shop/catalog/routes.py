"""The module's HTTP routes."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, status
from pydantic import BaseModel, Field, StringConstraints

from app.platform.auth import needs, PUBLIC
from app.platform.database import Database

from . import Catalog, Product

_NAME = r"^[^\x00]*[^\s\x00][^\x00]*$"
"""Something visible, and no NUL, which Postgres cannot store."""
_MONEY = r"^([1-9][0-9]{0,5}(\.[0-9]{1,2})?|0\.(0[1-9]|[1-9][0-9]?))$"


class NewProduct(BaseModel):
    sku: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9-]{0,31}$")]
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=_NAME)]
    # As text, from 0.01 to 999999.99: in a JSON number, a cent is easily lost.
    price: Annotated[str, StringConstraints(pattern=_MONEY)]


class Delivery(BaseModel):
    quantity: Annotated[int, Field(ge=1, le=1_000_000)]


class ProductPage(BaseModel):
    items: list[Product]
    next: UUID | None
    """Pass it as `after` to read on; null behind the last page."""


def routes(catalog: Catalog, db: Database) -> APIRouter:
    router = APIRouter()

    @router.post(
        "/products", status_code=status.HTTP_201_CREATED, dependencies=[needs("catalog:write")]
    )
    async def add_product(body: NewProduct, request: Request, response: Response) -> Product:
        async with db.transaction() as tx:
            product = await catalog.add_product(tx, body.sku, body.name, Decimal(body.price))
        response.headers["Location"] = f"{request.url.path}/{product.id}"
        return product

    @router.get("/products/{id}", openapi_extra=PUBLIC)
    async def get_product(id: UUID) -> Product:
        return await catalog.get_product(id)

    @router.get("/products", openapi_extra=PUBLIC)
    async def list_products(
        after: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> ProductPage:
        found = list(await catalog.list_products(after, limit + 1))
        page, rest = found[:limit], found[limit:]
        return ProductPage(items=page, next=page[-1].id if rest else None)

    @router.post("/products/{id}/deliveries", dependencies=[needs("catalog:write")])
    async def deliver(id: UUID, body: Delivery) -> Product:
        async with db.transaction() as tx:
            [product] = await catalog.restock(tx, {id: body.quantity})
        return product

    return router
