"""What a module's SQL may not say; runs inside a generated repository with catalog and ordering."""

import pytest
from app.platform.database import Database
from app.platform.engine import TransactionError
from app.platform.fetch import Prepared
from app.platform.spoken_sql import check_spoken
from app.platform.transaction import view_of
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

CATALOG = "app_test__catalog"

ENDS = [
    "COMMIT",
    "commit and chain",
    "END",
    "ABORT",
    "ROLLBACK",
    "ROLLBACK TO SAVEPOINT sa_savepoint_1",
    "BEGIN",
    "START TRANSACTION",
    "SAVEPOINT a",
    "RELEASE SAVEPOINT a",
    "PREPARE TRANSACTION 'a'",
    " ;; COMMIT",
    "-- /* a comment\nCOMMIT -- */",
    "/* one /* in */ another's */ COMMIT",
    "/* it isn't -- */COMMIT",
]
SWITCHES = [
    "SET ROLE app_test__ordering",
    "SET LOCAL ROLE app_test__ordering",
    "set/**/local\n-- now\n\"role\" = 'app_test__ordering'",
    "SET SESSION ROLE NONE",
    "SET SESSION AUTHORIZATION app_test",
    "SET LOCAL SESSION AUTHORIZATION DEFAULT",
    "RESET ROLE",
    "RESET ALL",
    "DISCARD ALL",
    "SELECT set_config('role', 'app_test__ordering', true)",
    "SELECT pg_catalog.\"set_config\"( 'ROLE', 'app_test__ordering', true)",
    "WITH a AS (SELECT set_config('ro' || 'le', 'app_test__ordering', true)) SELECT * FROM a",
    "UPDATE pg_catalog.pg_settings SET setting = 'app_test__ordering' WHERE name = 'role'",
    "DO $$ BEGIN SET LOCAL ROLE app_test__ordering; END $$",
    "SET LOCAL search_path = ordering",
    "SET LOCAL SCHEMA 'ordering'",
]
STAYS = [
    "SET timezone = 'Asia/Tokyo'",
    "SET SESSION timezone = 'Asia/Tokyo'",
    "SET LOCAL statement_timeout = 0",
    "SET TRANSACTION READ WRITE",
    "LISTEN a",
    "DEALLOCATE ALL",
]
HARMLESS = [
    "SELECT 'COMMIT', 1 AS \"role\"",
    "(SELECT 1)",
    "SET LOCAL timezone = 'Asia/Tokyo'",
    "SET LOCAL app.tenant = 'a'",
    "SET CONSTRAINTS ALL DEFERRED",
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SELECT set_config('app.tenant', 'a', true)",
    "SELECT name FROM pg_settings WHERE name = 'role'",
    "EXPLAIN SELECT 1",
    "-- COMMIT\nSELECT 1",
]


@pytest.mark.parametrize("statement", ENDS + SWITCHES + STAYS)
async def test_what_ends_the_transaction_or_changes_who_speaks_is_not_sent(
    engine: AsyncEngine, statement: str
) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        with pytest.raises(TransactionError, match="A module may not send"):
            await tx.execute(text(statement.replace(":", "\\:")))
        assert await tx.scalar(text("SELECT current_user")) == CATALOG


@pytest.mark.parametrize("statement", HARMLESS)
async def test_what_stays_within_the_transaction_is_sent(
    engine: AsyncEngine, statement: str
) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        await tx.execute(text(statement))
        assert await tx.scalar(text("SELECT current_user")) == CATALOG


async def test_what_is_composed_cannot_change_who_speaks_either(engine: AsyncEngine) -> None:
    switch = select(func.set_config("role", "app_test__ordering", True))
    db = Database(engine, "catalog")
    with pytest.raises(TransactionError, match="write its name"):
        async with db.transaction() as tx:
            await tx.execute(switch)
    with pytest.raises(TransactionError, match="write its name"):
        async with db.read() as reading:
            await reading.execute(switch)
    with pytest.raises(TransactionError, match="write its name"):
        Prepared(switch)


async def test_a_read_cannot_be_made_to_write(engine: AsyncEngine) -> None:
    with pytest.raises(TransactionError, match="lets a read write"):
        async with Database(engine, "catalog").read() as reading:
            await reading.execute(text("SET TRANSACTION READ WRITE"))


async def test_a_savepoint_of_the_platforms_makes_no_way_for_a_modules(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx, tx.savepoint():
        await view_of(tx, "ordering").execute(text("SELECT 1"))
        with pytest.raises(TransactionError, match="a part of it"):
            await tx.execute(text("ROLLBACK TO SAVEPOINT sa_savepoint_1"))


def test_a_message_shows_what_was_not_sent() -> None:
    with pytest.raises(TransactionError, match="`COMMIT`: it ends the transaction"):
        check_spoken("COMMIT")


async def test_a_tx_hands_out_no_connection(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        await tx.execute(text("SELECT 1"))
        for way in (tx.connection, tx.run_sync):
            with pytest.raises(TransactionError, match="hands out no connection"):
                await way()
        session = tx.sync_session
        for raw in (tx.get_bind, tx.get_transaction, session.connection, session.get_bind):
            with pytest.raises(TransactionError, match="hands out no connection"):
                raw()
        assert (tx.bind, session.bind) == (None, None)
        assert not hasattr(tx, "of")
