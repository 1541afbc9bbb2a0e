from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient

URL = "/billing/accounts"


async def test_a_payment_is_booked(client: AsyncClient, customer_id: UUID) -> None:
    paid = await client.post(f"{URL}/{customer_id}/payments", json={"amount": "12.5"})
    assert paid.status_code == 201
    assert (await client.get(f"{URL}/{customer_id}")).json()["owed"] == "-12.50"
    page = (await client.get(f"{URL}/{customer_id}/entries")).json()
    assert page == {"items": [paid.json()], "next": None}


async def test_who_has_no_account_is_not_found(client: AsyncClient) -> None:
    response = await client.get(f"{URL}/{uuid4()}")
    assert response.status_code == 404
    assert response.json()["type"] == "urn:problem-type:account-not-found"


async def test_an_account_does_not_exist_for_others(
    client: AsyncClient, customer_id: UUID, bearer: Callable[..., dict[str, str]]
) -> None:
    client.headers.update(bearer("eve"))
    for path in (f"{URL}/{customer_id}", f"{URL}/{customer_id}/entries"):
        assert (await client.get(path)).status_code == 404
    paid = await client.post(f"{URL}/{customer_id}/payments", json={"amount": "1"})
    assert paid.status_code == 403  # Who books payments may book anybody's.


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "1e3", "1_000", 12.5])
async def test_a_malformed_payment_is_refused(
    client: AsyncClient, customer_id: UUID, amount: object
) -> None:
    response = await client.post(f"{URL}/{customer_id}/payments", json={"amount": amount})
    assert response.status_code == 422
