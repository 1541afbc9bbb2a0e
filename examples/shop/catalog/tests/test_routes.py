from collections.abc import Callable

import pytest
from httpx import AsyncClient

URL = "/catalog/products"
TEA = {"sku": "TEA", "name": "Tea", "price": "9.5"}


async def test_what_was_posted_is_found_at_its_location(client: AsyncClient) -> None:
    created = await client.post(URL, json=TEA)
    assert created.status_code == 201
    found = await client.get(created.headers["Location"])
    assert found.json() == created.json()
    assert found.json()["price"] == "9.50"


async def test_pages_follow_each_other_until_next_is_null(client: AsyncClient) -> None:
    for sku in "ABC":
        await client.post(URL, json=TEA | {"sku": sku})
    first = (await client.get(URL, params={"limit": 2})).json()
    second = (await client.get(URL, params={"limit": 2, "after": first["next"]})).json()
    assert [each["sku"] for each in first["items"] + second["items"]] == ["A", "B", "C"]
    assert second["next"] is None


async def test_a_delivery_goes_into_stock(client: AsyncClient) -> None:
    location = (await client.post(URL, json=TEA)).headers["Location"]
    delivered = await client.post(f"{location}/deliveries", json={"quantity": 5})
    assert delivered.json()["stock"] == 5
    assert (await client.get(location)).json()["stock"] == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"sku": "t e a"},
        {"name": " "},
        {"price": "0"},
        {"price": "1.005"},
        {"price": "1E+5"},
        {"price": 9.5},
    ],
)
async def test_a_malformed_product_is_refused(
    client: AsyncClient, wrong: dict[str, object]
) -> None:
    assert (await client.post(URL, json=TEA | wrong)).status_code == 422


async def test_anyone_may_look_but_only_some_may_change(
    client: AsyncClient, bearer: Callable[..., dict[str, str]]
) -> None:
    location = (await client.post(URL, json=TEA)).headers["Location"]
    client.headers.update(bearer("visitor"))
    assert (await client.post(URL, json=TEA | {"sku": "POT"})).status_code == 403
    assert (await client.post(f"{location}/deliveries", json={"quantity": 5})).status_code == 403
    del client.headers["Authorization"]
    assert (await client.post(URL, json=TEA | {"sku": "POT"})).status_code == 401
    for public in (URL, location):
        assert (await client.get(public)).status_code == 200
