"""What a module's SQL may not say."""

import pytest
from sqlalchemy import Connection, event, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database
from app.platform.database.errors import TransactionError
from app.platform.database.fetch import Prepared
from app.platform.database.spoken_sql import check_spoken
from app.platform.database.transaction import view_of

from ..modules.catalog.tables import ItemRow

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
    "SELECT set_config/* a */('role', 'app_test__ordering', true)",
    "SELECT set_config -- a\n (/**/'role', 'app_test__ordering', true)",
    "SELECT U&\"set\\005fconfig\"('role', 'app_test__ordering', true)",
    "SELECT set_config(U&'\\0072ole', 'app_test__ordering', true)",
    "SELECT set_config(E'r\\x6fle', 'app_test__ordering', true)",
    "SELECT set_config('ro'\n'le', 'app_test__ordering', true)",
    "SELECT set_config(setting_name => 'role', new_value => 'a', is_local => true)",
    'SET LOCAL U&"\\0072ole" TO app_test__ordering',
    "SET LOCAL standard_conforming_strings = off",
]
STAYS = [
    "SET timezone = 'Asia/Tokyo'",
    "SET SESSION timezone = 'Asia/Tokyo'",
    "SET LOCAL statement_timeout = 0",
    "SET TRANSACTION READ WRITE",
    "LISTEN a",
    "DEALLOCATE ALL",
    "SELECT set_config('timezone', 'Asia/Tokyo', false)",
    "SELECT set_config('timezone', coalesce('a', 'b'), 1 = 1)",
    "SELECT pg_advisory_lock(1)",
    'SELECT pg_catalog."pg_advisory_lock_shared"/**/ (1, 2)',
    "WITH a AS (SELECT pg_try_advisory_lock(1)) SELECT * FROM a",
    "SELECT pg_try_advisory_lock_shared(1)",
    "CREATE TEMP TABLE a (b int)",
    "create /**/ local temporary table a (b int) ON COMMIT DELETE ROWS",
    "CREATE TEMP TABLE a ON COMMIT PRESERVE ROWS AS SELECT 'ON COMMIT DROP'",
    "CREATE TABLE pg_temp.a (b int)",
    "CREATE OR REPLACE TEMP VIEW a AS SELECT 1",
    "CREATE TEMP SEQUENCE a",
    "SELECT 1 AS b INTO TEMP a",
    "DECLARE a CURSOR WITH HOLD FOR SELECT 1",
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
    "SELECT 'see set_config(x) in docs', $$pg_advisory_lock(1)$$, $a$U&\"b\"$a$, E'\\' set_config(x)'",
    "SELECT 1 /* set_config(x) */ AS menu -- pg_advisory_lock(1)",
    "SELECT set_config('app.tenant'::text, replace('a,b', ',', '('), true)",
    "SELECT pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(1)",
    "CREATE TEMP TABLE a (b int) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE a ON COMMIT\nDROP AS SELECT 1 AS b",
    "DECLARE a CURSOR FOR SELECT 1",
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
    with pytest.raises(TransactionError, match="pg_advisory_xact_lock"):
        async with db.transaction() as tx:
            await tx.scalar(select(func.pg_advisory_lock(1)))


async def test_what_is_composed_may_set_a_setting_of_its_own(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        await tx.execute(select(func.set_config("app.tenant", "a", True)))
        assert await tx.scalar(select(func.current_setting("app.tenant"))) == "a"
        with pytest.raises(TransactionError, match="outlives the transaction"):
            await tx.execute(select(func.set_config("app.tenant", "a", False)))


async def test_a_read_cannot_be_made_to_write(engine: AsyncEngine) -> None:
    with pytest.raises(TransactionError, match="lets a read write"):
        async with Database(engine, "catalog").read() as reading:
            await reading.execute(text("SET TRANSACTION READ WRITE"))


async def test_a_savepoint_of_the_platforms_makes_no_way_for_a_modules(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx, tx.savepoint():
        await view_of(tx, "ordering").execute(text("SELECT 1"))
        with pytest.raises(TransactionError, match="a part of it"):
            await tx.execute(text("ROLLBACK TO SAVEPOINT sa_savepoint_1"))


async def test_the_event_of_a_mapper_does_not_change_who_speaks(engine: AsyncEngine) -> None:
    def take(_mapper: object, connection: Connection, _row: object) -> None:
        connection.info.update(speaker="app_test__ordering", role=None, begun=False)

    event.listen(ItemRow, "before_insert", take)
    try:
        async with Database(engine, "catalog").transaction() as tx:
            tx.add(ItemRow(owner="me", name="a"))
            await tx.flush()
            assert await tx.scalar(text("SELECT current_user")) == CATALOG
    finally:
        event.remove(ItemRow, "before_insert", take)


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
