"""Errors of the database name constraints and columns, and no values."""

import re
import traceback

import pytest
from app.platform import discretion
from app.platform.database import Database
from app.platform.discretion import stacktrace_of, text_of, without_secrets
from app.platform.errors import violated
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncEngine

CANARY = "ada@example.org"
_INSERT = text(
    "INSERT INTO catalog.items (owner, id, name) VALUES ('me', gen_random_uuid(), :value)"
)


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
        "INSERT INTO catalog.items (owner, id, name, created_at) "
        "VALUES ('me', gen_random_uuid(), CAST(:value AS text), NULL)",
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
    assert violated(raised.value) == "uq_items_owner_name"
    shown = "".join(traceback.format_exception(raised.value))
    assert 'unique constraint "uq_items_owner_name"' in shown
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


@pytest.mark.parametrize(
    "text", ["eyJabcde-" * 100_000, "a: " + "passw" * 200_000, "a: " * 300_000]
)
def test_a_long_text_is_cut_before_secrets_are_looked_for(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[int] = []
    pattern = discretion._SECRETS

    class Watched:
        def sub(self, replacement: str, text: str) -> str:
            searched.append(len(text))
            return pattern.sub(replacement, text)

    monkeypatch.setattr(discretion, "_SECRETS", Watched())
    for value in (text, ValueError(text), {"a": [text]}):
        assert len(str(without_secrets(value))) < 10_100
    assert max(searched) <= 10_001


def test_no_secret_is_cut_in_half_and_so_printed() -> None:
    for before in range(4950, 5001):
        text = f"{'x ' * (before // 2)}{'y' * (before % 2)} redis://app:{CANARY}@h/ "
        shown = str(without_secrets(text + "z " * 10_000))
        assert not re.search("app:|ada", shown)
        shown = str(without_secrets("z " * 10_000 + text[-before:]))
        assert "ada" not in shown


def test_a_long_traceback_keeps_its_head_and_its_tail() -> None:
    try:
        raise ValueError("x " * 20_000 + "the end")
    except ValueError as error:
        shown = str(without_secrets(stacktrace_of(error)))
    assert shown.startswith("  File")
    assert shown.endswith("the end")
    assert len(shown) <= 10_001


def test_an_error_tells_a_statement_without_the_values_in_it() -> None:
    statement = r"SELECT E'it\'s hidden 12' /* hidden */ WHERE id = 12"
    said = text_of(StatementError("failed", statement, None, Exception()))
    assert "SELECT" in said
    assert "hidden" not in said
    assert "12" not in said
