from collections.abc import Awaitable, Callable

import pytest
from httpx import AsyncClient

URL = "/ordering/orders"
UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
async def new_order(client: AsyncClient) -> dict[str, object]:
    """The body of a request for two of the three teapots there are."""
    ada = {"email": "ada@example.org", "name": "Ada"}
    customer = (await client.post("/identity/customers", json=ada)).json()
    teapot = {"sku": "POT", "name": "Teapot", "price": "150.00"}
    location = (await client.post("/catalog/products", json=teapot)).headers["Location"]
    product = (await client.post(f"{location}/deliveries", json={"quantity": 3})).json()
    line = {"product_id": product["id"], "quantity": 1}
    return {"customer_id": customer["id"], "lines": [line, line]}


async def test_what_was_posted_is_found_at_its_location(
    client: AsyncClient, new_order: dict[str, object]
) -> None:
    placed = await client.post(URL, json=new_order)
    assert placed.status_code == 201
    assert placed.json()["total"] == "300.00"
    assert [line["quantity"] for line in placed.json()["lines"]] == [2]
    found = await client.get(placed.headers["Location"])
    assert found.json() == placed.json()
    page = await client.get(URL, params={"customer_id": str(new_order["customer_id"])})
    assert page.json() == {"items": [placed.json()], "next": None}


async def test_what_is_out_of_stock_is_a_conflict(
    client: AsyncClient, new_order: dict[str, object]
) -> None:
    await client.post(URL, json=new_order)
    refused = await client.post(URL, json=new_order)
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:problem-type:out-of-stock"
    assert refused.json()["detail"] == "Of Teapot (POT), 1 are left, not 2."


async def test_an_order_is_packed_and_shipped(
    client: AsyncClient, new_order: dict[str, object], run_jobs: Callable[[], Awaitable[int]]
) -> None:
    location = (await client.post(URL, json=new_order)).headers["Location"]
    assert (await client.post(f"{location}/ship")).status_code == 409
    await run_jobs()
    [shipment] = (await client.get("/ordering/shipments")).json()["items"]
    assert location.endswith(shipment["order_id"])
    assert (await client.post(f"{location}/ship")).json()["status"] == "shipped"
    assert (await client.get("/ordering/shipments")).json() == {"items": [], "next": None}
    refused = await client.post(f"{location}/cancel")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:problem-type:order-not-open")


async def test_an_order_can_be_cancelled(client: AsyncClient, new_order: dict[str, object]) -> None:
    location = (await client.post(URL, json=new_order)).headers["Location"]
    assert (await client.post(f"{location}/cancel")).json()["status"] == "cancelled"
    assert (await client.post(URL, json=new_order)).status_code == 201


async def test_an_order_does_not_exist_for_others(
    client: AsyncClient, new_order: dict[str, object], bearer: Callable[..., dict[str, str]]
) -> None:
    placed = await client.post(URL, json=new_order, headers={"Idempotency-Key": "one"})
    location, customer = placed.headers["Location"], {"customer_id": str(new_order["customer_id"])}
    eve = bearer("eve")
    assert (await client.get(location, headers=eve)).status_code == 404
    assert (await client.post(f"{location}/cancel", headers=eve)).status_code == 404
    assert (await client.get(URL, params=customer, headers=eve)).json()["items"] == []
    for repeated in ({}, {"Idempotency-Key": "one"}):
        refused = await client.post(URL, json=new_order, headers=eve | repeated)
        assert refused.json()["type"] == "urn:problem-type:customer-not-found"
    assert (await client.post(f"{location}/ship", headers=eve)).status_code == 403
    assert (await client.get("/ordering/shipments", headers=eve)).status_code == 403
    assert (await client.get(location)).json() == placed.json()


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [{"product_id": UNKNOWN, "quantity": 0}],
        [{"product_id": UNKNOWN, "quantity": 1001}],
        [{"product_id": "POT", "quantity": 1}],
        [{"product_id": UNKNOWN, "quantity": 1}] * 101,
    ],
)
async def test_malformed_lines_are_refused(client: AsyncClient, lines: list[object]) -> None:
    refused = await client.post(URL, json={"customer_id": UNKNOWN, "lines": lines})
    assert refused.status_code == 422
