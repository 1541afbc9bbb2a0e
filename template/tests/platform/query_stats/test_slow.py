"""The slowest statements of each module, and what is said about them."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database
from app.platform.database.engine import create_engine
from app.platform.database.transaction import send as send_on
from app.platform.migrations.migrations import migrate
from app.platform.query_stats import hints
from app.platform.query_stats.hints import advise, Statistics
from app.platform.query_stats.plans import explain
from app.platform.query_stats.schema import why_unreadable
from app.platform.query_stats.slow import (
    connect_statistics,
    slow_statements,
    SlowStatement,
    StatisticsError,
)
from app.platform.settings.settings import Settings
from app.platform.telemetry.sql_text import without_values
from app.platform.wiring.modules import ModuleFolder

LOGIN = "app_test"
BY_NAME = "SELECT id FROM catalog.things WHERE name = $1"


@pytest.fixture
async def things(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """A table of catalog's with many rows and no index but its key; the URL of its database.

    What is said of its statements follows from what they do: any takes long on a machine that is busy.
    """
    for limit in ("_SLOW", "_WAITING"):
        monkeypatch.setattr(hints, limit, float("inf"))
    await as_owner(
        settings,
        """CREATE TABLE catalog.things (id int PRIMARY KEY, name text, kind text, made int);
        INSERT INTO catalog.things SELECT i, 'name ' || i, 'kind ' || i % 2, i
            FROM generate_series(1, 50000) i;
        ANALYZE catalog.things""",
    )
    return settings.database_url


async def as_owner(settings: Settings, sql: str) -> None:
    admin = await asyncpg.connect(settings.admin_url)
    await admin.execute(f"SET ROLE {LOGIN}__catalog__owner; {sql}")
    await admin.close()


async def send(
    engine: AsyncEngine, statement: str, *values: object, times: int = 1, module: str = "catalog"
) -> None:
    """Send a statement some times in one transaction of a module."""
    async with Database(engine, module).transaction() as tx:
        for _ in range(times):
            await send_on(tx, statement, values)


async def found(url: str, part: str, module: str = "catalog") -> SlowStatement:
    """Return the one statement that has a part."""
    every = await slow_statements(url, [module], 50)
    [statement] = [each for each in every if part in each.statement]
    return statement


async def test_a_scan_of_a_large_table_asks_for_an_index_and_names_it(
    things: str, engine: AsyncEngine
) -> None:
    await send(engine, BY_NAME, "name 7", times=3)
    slow = await found(things, "FROM catalog.things")
    assert (slow.module, slow.calls, slow.rows_per_call, slow.cure) == (
        "catalog",
        3,
        1,
        "an index",
    )
    assert slow.statement == BY_NAME
    assert slow.plan == "Seq Scan on catalog.things, about 1 row; filter (things.name = $1)"
    assert slow.mean_ms == pytest.approx(slow.total_ms / 3)


async def test_what_is_printed_is_a_migration_that_ends_the_scan(
    things: str,
    engine: AsyncEngine,
    settings: Settings,
    folders: list[ModuleFolder],
    tmp_path: Path,
) -> None:
    await send(engine, BY_NAME, "name 7")
    create = (await found(things, BY_NAME)).hint.partition("\n")[2].replace("\n", "\n    ")
    shutil.copytree(folders[0].path / "migrations", tmp_path / "migrations")
    (tmp_path / "migrations" / "more.py").write_text(
        "from alembic import op\nrevision, down_revision = 'more', '0001'\n"
        f"def upgrade():\n    {create}\n"
    )
    with_index = [replace(folders[0], path=tmp_path), *folders[1:]]
    assert await migrate(settings.admin_url, LOGIN, with_index) == ["catalog more"]
    slow = await found(things, BY_NAME)
    assert (slow.cure, slow.hint) == (None, "")
    assert slow.plan is not None
    assert slow.plan.startswith("Index Scan by ix_catalog_things_name on catalog.things")


@pytest.mark.parametrize(
    ("statement", "columns"),
    [
        ("SELECT id FROM catalog.things WHERE made > 49000 AND name = 'x'", '["name", "made"]'),
        ("SELECT * FROM catalog.things ORDER BY made DESC LIMIT 10", '["made"]'),
        ("SELECT a.id FROM catalog.things a WHERE a.name IN ('b', 'c')", '["name"]'),
        ("UPDATE catalog.things SET kind = 'x' WHERE name = 'x'", '["name"]'),
        ("DELETE FROM catalog.things WHERE name::varchar = 'x'", '["name"]'),
        ("SELECT 1 FROM catalog.things WHERE name = 'x' OR made = 7", '["made"]'),
        (
            "SELECT t.id FROM catalog.items i JOIN catalog.things t USING (name) WHERE i.id = "
            "'00000000-0000-0000-0000-000000000000'",
            '["name"]',
        ),
    ],
)
async def test_the_columns_of_an_index_are_found(
    things: str, engine: AsyncEngine, statement: str, columns: str
) -> None:
    await send(engine, statement)
    slow = await found(things, "catalog.things")
    assert f'"things", {columns}, schema="catalog"' in slow.hint


@pytest.mark.parametrize(
    ("statement", "cure", "said"),
    [
        ("SELECT kind, count(*) FROM catalog.things GROUP BY 1", "a cached read", "end to end"),
        ("SELECT * FROM catalog.things", "pages", "in the order of an index"),
        ("SELECT * FROM catalog.things WHERE id > 10 ORDER BY id", "pages", "rows a call"),
        ("SELECT id FROM catalog.things WHERE lower(name) = 'x'", "an index", "on an expression"),
        ("SELECT name FROM catalog.things WHERE id::text = '7'", "an index", "without a cast"),
        ("UPDATE catalog.things SET kind = 'x' WHERE kind = 'kind 1'", "a job", "some rows at a"),
    ],
)
async def test_where_no_index_helps_another_cure_is_named(
    things: str, engine: AsyncEngine, statement: str, cure: str, said: str
) -> None:
    await send(engine, statement)
    slow = await found(things, "catalog.things")
    assert slow.cure == cure
    assert said in slow.hint


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM catalog.things WHERE id = 7",
        "SELECT * FROM catalog.things LIMIT 10",
        "SELECT name FROM catalog.items WHERE created_at > now()",
        "SELECT name FROM catalog.things WHERE id = 7 AND now() > now() - interval '1 day'",
        "INSERT INTO catalog.things VALUES (0, 'a', 'b', 1)",
    ],
)
async def test_what_is_fast_gets_no_hint(things: str, engine: AsyncEngine, statement: str) -> None:
    await send(engine, statement)
    slow = await found(things, statement[:20])
    assert slow.hint == ""
    assert slow.plan is not None


async def test_an_index_that_was_never_completed_is_named(
    things: str, engine: AsyncEngine, settings: Settings
) -> None:
    await send(engine, BY_NAME, "name 7")
    admin = await asyncpg.connect(settings.admin_url)
    await admin.execute(f"SET ROLE {LOGIN}__catalog__owner")
    await admin.execute("UPDATE catalog.things SET made = 1 WHERE id < 3")
    with pytest.raises(asyncpg.UniqueViolationError):
        await admin.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON catalog.things (made)")
    await admin.close()
    hint = (await found(things, BY_NAME)).hint
    assert "First drop catalog.broken: creating it failed" in hint


async def test_a_statement_in_a_loop_is_named(things: str, engine: AsyncEngine) -> None:
    once = "SELECT name FROM catalog.things WHERE id = $1"
    for _ in range(2):
        await send(engine, once, 7, times=20)
    slow = await found(things, once)
    assert slow.cure == "fewer calls"
    assert "sent 20 times per transaction (N+1)" in slow.hint


async def test_temporary_files_are_named(things: str, engine: AsyncEngine) -> None:
    by_name = "SELECT name, kind FROM catalog.things ORDER BY name, kind OFFSET 49990"
    async with Database(engine, "catalog").transaction() as tx:
        await tx.execute(text("SET LOCAL work_mem = '64kB'"))
        await tx.execute(text(by_name))
    slow = await found(things, "ORDER BY name")
    assert "MB of temporary files a call" in slow.hint


def test_the_platform_is_not_told_to_send_less() -> None:
    often = Statistics("SELECT 1", 5000, 1.0, 1, 0, 5, 0.9, 40)
    assert [each.cure for each in advise(often, None, {})] == ["fewer calls"]
    assert advise(replace(often, of_platform=True), None, {}) == []


@pytest.mark.parametrize(
    ("statement", "writes"),
    [
        ("WITH a AS (SELECT 1) INSERT INTO b SELECT * FROM a", True),
        ("WITH a AS (UPDATE b SET c = $1 RETURNING d) SELECT * FROM a", True),
        ("WITH a AS (SELECT 1) SELECT updated FROM a FOR UPDATE SKIP LOCKED", False),
        ("SELECT a FROM b FOR NO KEY UPDATE OF b", False),
    ],
)
def test_what_writes_below_a_with_is_no_read(statement: str, writes: bool) -> None:
    often = Statistics(statement, 5000, 1.0, 1, 0, 5, 0.9, 40)
    assert (advise(often, None, {}) == []) == writes


async def test_a_statement_that_has_no_plan_keeps_no_other_from_its_plan(
    things: str,
) -> None:
    async with connect_statistics(things) as connection:
        plans = []
        for statement in ("SELECT 1 / 0", "SELECT 1"):
            transaction = connection.transaction(readonly=True)
            await transaction.start()
            plans.append(await explain(connection, statement))
            await transaction.rollback()
        assert (
            await connection.fetch("SELECT FROM pg_prepared_statements WHERE name = 'slow'") == []
        )
    assert plans[0] is None
    assert plans[1] is not None


async def test_what_it_asks_itself_is_not_shown(things: str, engine: AsyncEngine) -> None:
    await send(engine, BY_NAME, "name 7")
    for _ in range(2):
        every = await slow_statements(things, ["catalog"], 50)
    assert [each.statement for each in every] == [BY_NAME]


def test_what_postgres_cannot_plan_is_judged_by_its_numbers() -> None:
    of = Statistics("SELECT 1", 10, 1.0, 1, 0, 5, 0.1, 1)
    assert advise(of, None, {}) == []

    def cure(**changes: object) -> str:
        [advice] = advise(replace(of, **changes), None, {})  # type: ignore[arg-type]
        return f"{advice.cure}: {advice.text}"

    assert "finds its rows by an index" in cure(mean_ms=150.0)
    assert "it is the number of calls that takes the time" in cure(calls=5000, share=0.9)
    locked = cure(statement="SELECT 1 FOR UPDATE", mean_ms=30.0)
    assert locked.startswith("a job: It touches little and takes 30 ms: it waits for rows")
    assert cure(statement="INSERT", mean_ms=150.0, blocks_per_call=5000).startswith("a job: It wri")


async def test_a_module_reads_nothing_of_the_statements_of_others(
    things: str, engine: AsyncEngine
) -> None:
    await send(engine, BY_NAME, "name 7")
    await send(engine, "SELECT count(*) FROM ordering.items", module="ordering")
    async with Database(engine, "ordering").read() as reading:
        own = "\n".join(await reading.scalars(text("SELECT query FROM platform.own_statements")))
    assert "ordering.items" in own
    assert "catalog" not in own
    async with Database(engine, "ordering").read() as reading:
        all_texts = text("SELECT query FROM public.pg_stat_statements")
        assert "catalog" not in "\n".join(await reading.scalars(all_texts))
    with pytest.raises(DBAPIError, match="permission denied for view module_statements"):
        async with Database(engine, "ordering").read() as reading:
            await reading.scalar(text("SELECT calls FROM platform.module_statements"))


async def test_the_login_by_itself_reads_no_statistics(things: str) -> None:
    connection = await asyncpg.connect(things)
    for table in ("own_statements", "module_statements"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"SELECT FROM platform.{table}")
    await connection.close()


async def test_no_value_is_ever_shown(settings: Settings, things: str) -> None:
    one = create_engine(settings.model_copy(update={"database_pool_size": 1}))
    # Parsed under one role and executed under another, it is kept as it was sent.
    for module in ("catalog", "ordering"):
        await send(one, "SELECT 'canary', 4111111111111111", module=module)
        await send(one, "SET LOCAL application_name = 'canary'", module=module)
        await send(one, "SELECT $1::text", "canary", module=module)
    await send(one, "SELECT id FROM catalog.things WHERE name = 'canary'")
    connection = await asyncpg.connect(things)
    await connection.execute(f"SET ROLE {LOGIN}__ordering")
    kept = await connection.fetchval("SELECT string_agg(query, ' ') FROM platform.own_statements")
    await connection.close()
    await one.dispose()
    assert "canary" in kept
    told = json.dumps(
        [asdict(e) for e in await slow_statements(things, ["catalog", "ordering"], 50)]
    )
    assert "things" in told
    assert "canary" not in told
    assert "4111" not in told


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT  'it''s'\n, E'\\'x', $t$ y $t$, -1.5e3, $1", "SELECT '…' , '…', '…', -…, $1"),
        ("$1::NUMERIC(12, 2), f(12)", "$1::NUMERIC(12, 2), f(…)"),
        ('SELECT a1, "b 2" FROM t2 -- 5\nWHERE /* 6 */ x', 'SELECT a1, "b 2" FROM t2   WHERE   x'),
        ("a IN ($1 /*, ... */)", "a IN ($1  )"),
    ],
)
def test_values_and_comments_are_taken_out(sql: str, shown: str) -> None:
    assert without_values(sql) == shown


async def test_nothing_is_run_and_no_lock_is_waited_for(
    things: str, engine: AsyncEngine, settings: Settings
) -> None:
    statement = "INSERT INTO catalog.things VALUES ($1, 'a', 'b', 1)"
    await send(engine, statement, 0)
    admin = await asyncpg.connect(settings.admin_url)
    await admin.execute(f"SET ROLE {LOGIN}__catalog__owner")
    before = await admin.fetchval("SELECT count(*) FROM catalog.things")
    assert (await found(things, "INSERT INTO")).plan is not None
    assert (await found(things, "INSERT INTO")).calls == 1
    assert await admin.fetchval("SELECT count(*) FROM catalog.things") == before
    async with admin.transaction():
        await admin.execute("LOCK TABLE catalog.things IN ACCESS EXCLUSIVE MODE")
        assert (await found(things, "INSERT INTO")).plan is None
    await admin.close()


async def test_each_module_has_its_limit_and_the_longest_come_first(
    things: str, engine: AsyncEngine
) -> None:
    for module in ("catalog", "ordering"):
        for number in range(3):
            await send(engine, f"SELECT {', '.join('1' * (number + 1))}", module=module)
    every = await slow_statements(things, ["catalog", "ordering", "queue"], 2)
    assert sorted(each.module for each in every) == ["catalog"] * 2 + ["ordering"] * 2
    assert every == sorted(every, key=lambda each: -each.total_ms)


async def test_the_platforms_statements_come_after_those_of_modules(
    things: str, engine: AsyncEngine
) -> None:
    await send(engine, "SELECT pg_sleep(0.05)", module="queue")
    await send(engine, "SELECT 1")
    every = await slow_statements(things, ["queue", "catalog"], 5)
    assert [each.module for each in every] == ["catalog", "queue"]


async def test_statistics_that_may_not_be_read_fail_no_migration(
    settings: Settings, folders: list[ModuleFolder], caplog: pytest.LogCaptureFixture
) -> None:
    admin = await asyncpg.connect(settings.admin_url)
    try:
        await admin.execute(
            f"SET ROLE {LOGIN}__platform__owner;"
            "DROP VIEW platform.own_statements, platform.module_statements;"
            "CREATE TABLE platform.own_statements (a int)"
        )
        assert await migrate(settings.admin_url, LOGIN, folders) == []
        assert [each.name for each in caplog.records if each.levelname == "WARNING"] == [
            "app.migrations"
        ]
    finally:
        await admin.execute("DROP TABLE platform.own_statements")
        await admin.close()
    assert await migrate(settings.admin_url, LOGIN, folders) == []
    with pytest.raises(StatisticsError, match="may not read the statistics"):
        await slow_statements_without_rights(settings)
    away = "postgresql://app@127.0.0.1:1/app"
    assert (await why_unreadable(away, LOGIN) or "").startswith("Postgres did not say why: Conn")


async def slow_statements_without_rights(settings: Settings) -> None:
    admin = await asyncpg.connect(settings.admin_url)
    revoked = f"SELECT ON platform.module_statements FROM {LOGIN}__platform"
    await admin.execute(f"SET ROLE {LOGIN}__platform__owner; REVOKE {revoked}")
    try:
        await slow_statements(settings.database_url, ["catalog"], 5)
    finally:
        await admin.execute(f"GRANT {revoked.replace('FROM', 'TO')}")
        await admin.close()


async def test_without_its_views_it_says_so_and_migrating_makes_them_anew(
    settings: Settings, folders: list[ModuleFolder]
) -> None:
    admin = await asyncpg.connect(settings.admin_url)
    await admin.execute(
        f"SET ROLE {LOGIN}__platform__owner;"
        "DROP VIEW platform.own_statements, platform.module_statements"
    )
    await admin.close()
    with pytest.raises(StatisticsError, match="run `app migrate`"):
        await slow_statements(settings.database_url, ["catalog"], 5)
    assert await migrate(settings.admin_url, LOGIN, folders) == []
    assert await slow_statements(settings.database_url, ["catalog"], 5) == []
