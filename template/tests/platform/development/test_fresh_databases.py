"""What tests stand on: nobody's writing is seen by the next test, and few databases are made."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from app.development import fresh_databases
from app.development.database import with_database
from app.development.fresh_databases import Execute, FreshDatabases

ITEM = "INSERT INTO catalog.items (owner, id, name) VALUES ('me', gen_random_uuid(), 'a')"
TABLES = """
    CREATE SCHEMA made;
    CREATE TABLE made.parents (id int PRIMARY KEY, parent int REFERENCES made.parents);
    CREATE TABLE made.children (
        id int GENERATED ALWAYS AS IDENTITY, parent int REFERENCES made.parents
    );
    CREATE TABLE made.seeded (name text);
    INSERT INTO made.seeded VALUES ('by a migration');
    CREATE TABLE made.kept (name text);
    CREATE FUNCTION made.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER keep BEFORE DELETE ON made.kept FOR EACH ROW EXECUTE FUNCTION made.keep();
    CREATE SEQUENCE made.numbers START 5;
"""


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session may take its time to leave, and the database serves again nevertheless."""
    monkeypatch.setattr(fresh_databases, "_SECONDS_TO_LEAVE", 30)


@pytest.fixture(scope="module")
def fresh(admin_url: str, execute: Execute, template_database: str) -> Iterator[FreshDatabases]:
    """Clones of a database that has some tables more."""
    execute(f"CREATE DATABASE test_fresh TEMPLATE {template_database}")
    statement(admin_url, "test_fresh", TABLES)
    fresh = FreshDatabases(admin_url, execute, "test_fresh")
    yield fresh
    fresh.close()
    execute("DROP DATABASE test_fresh")


def statement(admin_url: str, name: str, sql: str) -> object:
    """Execute statements as one who is gone afterwards; return the value of a single query."""

    async def run() -> object:
        connection = await asyncpg.connect(with_database(admin_url, name))
        try:
            if sql.startswith(("SELECT", "WITH")):
                return await connection.fetchval(sql)
            return await connection.execute(sql)
        finally:
            await connection.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM made.seeded",
        ITEM,
        f"BEGIN; {ITEM}; ROLLBACK",
        "INSERT INTO made.parents VALUES (1, NULL), (2, 1);"
        "INSERT INTO made.children (parent) VALUES (2), (1)",
        "INSERT INTO made.parents VALUES (1, 1); UPDATE made.parents SET id = 2, parent = 2",
        "SELECT nextval('made.numbers')",
        "SELECT setval('made.numbers', 50)",
    ],
)
def test_what_a_test_wrote_is_taken_back_and_the_database_serves_again(
    sql: str, admin_url: str, fresh: FreshDatabases
) -> None:
    name = fresh.take()
    statement(admin_url, name, sql)
    fresh.give_back(name)
    assert fresh.take() == name
    for table in ("catalog.items", "made.parents", "made.children", "made.kept"):
        assert statement(admin_url, name, f"SELECT count(*) FROM {table}") == 0
    assert statement(admin_url, name, "SELECT count(*) FROM made.seeded") == 1
    assert statement(admin_url, name, "SELECT nextval('made.numbers')") == 5
    insert = "INSERT INTO made.children DEFAULT VALUES RETURNING id"
    assert statement(admin_url, name, f"WITH new AS ({insert}) SELECT id FROM new") == 1
    fresh.give_back(name)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE made.more (id int)",
        "CREATE UNLOGGED TABLE made.more (id int)",
        "ALTER TABLE made.children RENAME TO kids",
        "ALTER TABLE made.children ALTER parent SET DEFAULT 1",
        "TRUNCATE made.parents CASCADE",
        "GRANT SELECT ON made.parents TO PUBLIC",
        "COMMENT ON TABLE made.parents IS 'changed'",
        "DELETE FROM made.seeded",
        "INSERT INTO made.seeded VALUES ('by a test')",
        "INSERT INTO made.kept VALUES ('whatever you do')",
        "ALTER SEQUENCE made.numbers INCREMENT 2",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 65536', current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO app_test', current_database()); END $$",
        "SELECT lo_create(0)",
    ],
)
def test_what_cannot_be_taken_back_costs_the_database(
    sql: str, admin_url: str, fresh: FreshDatabases, execute: Execute
) -> None:
    name = fresh.take()
    statement(admin_url, name, sql)
    fresh.give_back(name)
    assert execute(f"SELECT count(*) FROM pg_database WHERE datname = '{name}'") == 0
    assert fresh.take() != name


def test_what_is_written_while_others_work_is_taken_back_as_well(
    admin_url: str, fresh: FreshDatabases
) -> None:
    first, second = fresh.take(), fresh.take()
    assert first != second
    statement(admin_url, second, ITEM)
    for _ in range(2):
        statement(admin_url, first, ITEM)
        fresh.give_back(first)
        assert fresh.take() == first
        assert statement(admin_url, first, "SELECT count(*) FROM catalog.items") == 0
        assert statement(admin_url, second, "SELECT count(*) FROM catalog.items") == 1
    fresh.give_back(first)
    fresh.give_back(second)
