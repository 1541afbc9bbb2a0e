"""What the runbook tells somebody to ask the database works, as the login."""

import re
from pathlib import Path

import asyncpg
import pytest

import app
from app.platform.settings.settings import Settings

RUNBOOK = Path(app.__file__).parents[2] / "docs" / "runbook.md"
QUERIES = re.findall(r'psql "\$DATABASE_URL" -c "(.+?)"', RUNBOOK.read_text("utf-8"), re.DOTALL)
QUERIES += re.findall(r"`(SELECT [^`<]+)`", RUNBOOK.read_text("utf-8"))


@pytest.mark.parametrize("query", QUERIES)
async def test_a_query_of_the_runbook_runs(settings: Settings, query: str) -> None:
    connection = await asyncpg.connect(settings.database_url)
    assert isinstance(await connection.fetch(query), list)
    await connection.close()


def test_the_runbook_has_queries() -> None:
    assert len(QUERIES) >= 4
