import pytest
from httpx import ASGITransport, AsyncClient

from app.main import create_app
from app.platform.settings import Settings


async def test_it_lives_and_is_ready(client: AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/readyz")).json() == {"status": "ok"}


async def test_it_is_not_ready_without_its_database() -> None:
    unreachable = Settings(
        environment="development", database_url="postgresql://app:secret@127.0.0.1:1/app"
    )
    transport = ASGITransport(create_app(unreachable))
    async with AsyncClient(transport=transport, base_url="http://app") as client:
        assert (await client.get("/healthz")).status_code == 200
        refused = await client.get("/readyz")
    assert refused.status_code == 503
    assert refused.json()["detail"] == "The database is not reachable."


@pytest.mark.parametrize("given", ["", "two words", "x" * 200])
async def test_a_request_without_a_usable_id_gets_one(client: AsyncClient, given: str) -> None:
    response = await client.get("/healthz", headers={"X-Request-ID": given})
    assert len(response.headers["X-Request-ID"]) == 32


async def test_a_request_keeps_its_id(client: AsyncClient) -> None:
    response = await client.get("/nowhere", headers={"X-Request-ID": "abc-1"})
    assert response.headers["X-Request-ID"] == "abc-1"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 404


async def test_nothing_but_what_says_so_is_public(client: AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()
    del client.headers["Authorization"]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            is_public = operation.get("security") == []
            refused = (await client.request(method, path)).status_code == 401
            assert refused != is_public, f"{method} {path}"
