"""Errors of the database name constraints and columns, and no values."""

import traceback

import pytest
from app.platform.database import Database
from app.platform.errors import violated
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

CANARY = "ada@example.org"
_INSERT = text("INSERT INTO catalog.items (id, name) VALUES (gen_random_uuid(), :value)")


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "catalog")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT CAST(CAST(:value AS text) AS uuid)",
        "SELECT CAST(:value AS uuid)",
        "SELECT CAST(CAST(:value AS text) AS integer)",
        "SELECT 1 / 0, CAST(:value AS text)",
        "SELECT nonsense, CAST(:value AS text)",
        "INSERT INTO catalog.items (id, name, created_at) "
        "VALUES (gen_random_uuid(), CAST(:value AS text), NULL)",
    ],
)
async def test_no_error_quotes_a_value(db: Database, statement: str) -> None:
    with pytest.raises(DBAPIError) as raised:
        async with db.transaction() as tx:
            await tx.execute(text(statement), {"value": CANARY})
    assert CANARY not in "".join(traceback.format_exception(raised.value))


async def test_a_constraint_is_named_but_not_what_violated_it(db: Database) -> None:
    with pytest.raises(IntegrityError) as raised:
        for _ in range(2):
            async with db.transaction() as tx:
                await tx.execute(_INSERT, {"value": CANARY})
    assert violated(raised.value) == "uq_items_name"
    shown = "".join(traceback.format_exception(raised.value))
    assert 'unique constraint "uq_items_name"' in shown
    assert CANARY not in shown


async def test_a_log_or_an_answer_tells_no_values(
    client: AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    refused = await client.post("/catalog/items", json={"name": [CANARY], CANARY: 1})
    assert refused.status_code == 422
    for _ in range(2):
        answer = await client.post("/catalog/items", json={"name": "a", "secret": CANARY})
    assert answer.status_code == 409
    lost = await client.get("/catalog/items/" + CANARY)
    assert CANARY not in refused.text + answer.text + caplog.text
    assert lost.status_code == 422
