from collections.abc import Callable

import pytest
from httpx import AsyncClient

URL = "/identity/customers"
ADA = {"email": "ada@example.org", "name": "Ada"}


async def test_what_was_posted_is_found_at_its_location(client: AsyncClient) -> None:
    created = await client.post(URL, json=ADA)
    assert created.status_code == 201
    found = await client.get(created.headers["Location"])
    assert found.json() == created.json()


async def test_a_customer_can_be_closed(client: AsyncClient) -> None:
    location = (await client.post(URL, json=ADA)).headers["Location"]
    assert (await client.post(f"{location}/close")).status_code == 204
    assert (await client.get(location)).json()["is_closed"] is True


async def test_a_customer_does_not_exist_for_others(
    client: AsyncClient, bearer: Callable[..., dict[str, str]]
) -> None:
    location = (await client.post(URL, json=ADA)).headers["Location"]
    client.headers.update(bearer("eve"))
    assert (await client.get(location)).status_code == 404
    assert (await client.post(f"{location}/close")).status_code == 403  # Whatever the id.
    assert (await client.post(f"{URL}/no-id/close")).status_code == 403


async def test_a_taken_address_is_a_conflict(client: AsyncClient) -> None:
    await client.post(URL, json=ADA)
    refused = await client.post(URL, json=ADA)
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:problem-type:email-taken"


@pytest.mark.parametrize("email", ["ada", "@example.org", "a b@example.org", "a@b@c", "a\0@b"])
async def test_what_is_no_address_is_refused(client: AsyncClient, email: str) -> None:
    assert (await client.post(URL, json=ADA | {"email": email})).status_code == 422
