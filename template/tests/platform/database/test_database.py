"""Roles, transactions and the pool."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, AsyncExitStack, nullcontext, suppress
from types import NoneType
from typing import Any, Protocol
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import event, literal, select, text
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database, Tx
from app.platform.database.driver import statements_may_take
from app.platform.database.engine import create_engine
from app.platform.database.errors import BoundaryError, TransactionError, UnreachableError
from app.platform.database.fetch import Prepared
from app.platform.database.transaction import view_of
from app.platform.settings.settings import Settings
from app.platform.wiring.boundary import at_boundary
from app.platform.wiring.wiring import Wired

from ..modules.catalog import Catalog, ItemNameTaken
from ..modules.catalog.tables import ItemRow as CatalogRow
from ..modules.ordering.tables import ItemRow as OrderingRow

CATALOG, ORDERING = "app_test__catalog", "app_test__ordering"
STATE = """
SELECT current_user::text, session_user::text, current_setting('statement_timeout'),
       (SELECT count(*) FROM pg_locks
         WHERE pid = pg_backend_pid() AND locktype NOT IN ('relation', 'virtualxid'))
"""
"""Who speaks, for how long at most (0: as long as it takes), and holding which locks."""


async def role(tx: Tx) -> object:
    return await tx.scalar(text("SELECT current_user"))


async def count(engine: AsyncEngine, module: str) -> object:
    async with Database(engine, module).transaction() as tx:
        return await tx.scalar(text(f"SELECT count(*) FROM {module}.items"))


async def test_statements_run_under_the_role_of_whose_view_they_use(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as catalog:
        ordering = view_of(catalog, "ordering")
        assert [await role(catalog), await role(ordering), await role(catalog)] == [
            CATALOG,
            ORDERING,
            CATALOG,
        ]


async def test_a_transaction_may_begin_with_another_modules_statement(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as catalog:
        assert await role(view_of(catalog, "ordering")) == ORDERING


async def test_two_modules_commit_together(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        tx.add(CatalogRow(owner="me", name="a"))
        view_of(tx, "ordering").add(OrderingRow(owner="me", name="b"))
    assert [await count(engine, "catalog"), await count(engine, "ordering")] == [1, 1]


async def test_two_modules_fail_together(engine: AsyncEngine) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Database(engine, "catalog").transaction() as tx:
            tx.add(CatalogRow(owner="me", name="a"))
            await tx.flush()
            view_of(tx, "ordering").add(OrderingRow(owner="me", name="b"))
            await view_of(tx, "ordering").flush()
            raise ZeroDivisionError
    assert [await count(engine, "catalog"), await count(engine, "ordering")] == [0, 0]


async def test_a_failing_flush_at_the_end_undoes_both_modules(engine: AsyncEngine) -> None:
    with pytest.raises(DBAPIError, match="uq_items_owner_name"):
        async with Database(engine, "catalog").transaction() as tx:
            tx.add(CatalogRow(owner="me", name="a"))
            view_of(tx, "ordering").add_all(
                [OrderingRow(owner="me", name="b"), OrderingRow(owner="me", name="b")]
            )
    assert [await count(engine, "catalog"), await count(engine, "ordering")] == [0, 0]


async def test_a_method_that_takes_tx_runs_as_its_own_module(
    engine: AsyncEngine, wired: Wired
) -> None:
    async with Database(engine, "ordering").transaction() as tx:
        await wired[Catalog].create_item(tx, "me", "a")
        assert await role(tx) == ORDERING
    assert await count(engine, "catalog") == 1


async def test_another_modules_table_is_refused_also_in_a_join(engine: AsyncEngine) -> None:
    with pytest.raises(BoundaryError, match=r"ordering may not touch the schema catalog: call"):
        async with Database(engine, "ordering").transaction() as tx:
            await tx.execute(text("SELECT * FROM ordering.items JOIN catalog.items USING (id)"))


async def test_a_savepoint_undone_keeps_the_roles_right(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        assert await role(tx) == CATALOG
        with pytest.raises(ZeroDivisionError):
            async with tx.savepoint():
                assert await role(view_of(tx, "ordering")) == ORDERING
                raise ZeroDivisionError
        assert await role(view_of(tx, "ordering")) == ORDERING
        assert await role(tx) == CATALOG
        async with tx.savepoint():
            assert await role(view_of(tx, "ordering")) == ORDERING
        assert await role(tx) == CATALOG


async def test_a_failed_statement_inside_a_savepoint_can_be_survived(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        with pytest.raises(DBAPIError):
            async with tx.savepoint():
                await view_of(tx, "ordering").execute(text("SELECT 1/0"))
        assert await role(tx) == CATALOG
        tx.add(CatalogRow(owner="me", name="a"))
    assert await count(engine, "catalog") == 1


async def test_a_savepoint_undone_undoes_what_both_modules_wrote(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        tx.add(CatalogRow(owner="me", name="before"))
        with pytest.raises(ZeroDivisionError):
            async with tx.savepoint():
                tx.add(CatalogRow(owner="me", name="a"))
                view_of(tx, "ordering").add(OrderingRow(owner="me", name="b"))
                await view_of(tx, "ordering").flush()
                raise ZeroDivisionError
        view_of(tx, "ordering").add(OrderingRow(owner="me", name="after"))
    assert [await count(engine, "catalog"), await count(engine, "ordering")] == [1, 1]


async def test_an_error_caught_inside_a_transaction_cannot_pass_for_a_commit(
    engine: AsyncEngine, wired: Wired
) -> None:
    with pytest.raises(TransactionError, match="nothing was committed"):
        async with Database(engine, "catalog").transaction() as tx:
            await wired[Catalog].create_item(tx, "me", "a")
            with pytest.raises(ItemNameTaken):
                await wired[Catalog].create_item(tx, "me", "a")
    with pytest.raises(TransactionError, match="nothing was committed"):
        async with Database(engine, "catalog").transaction() as tx:
            tx.add(CatalogRow(owner="me", name="b"))
            with pytest.raises(DBAPIError):
                await tx.execute(text("SELECT 1/0"))
    assert await count(engine, "catalog") == 0


class Refused(Exception): ...


class Half(Protocol):
    async def do(self, tx: Tx) -> None:
        """Write, and raise Refused."""


class HalfDone:
    async def do(self, tx: Tx) -> None:
        tx.add(CatalogRow(owner="me", name="half"))
        await tx.flush()
        raise Refused


async def test_a_method_that_raises_is_undone_even_if_postgres_saw_no_error(
    engine: AsyncEngine,
) -> None:
    half = at_boundary(Half, HalfDone(), "catalog")
    with pytest.raises(TransactionError, match="nothing was committed"):
        async with Database(engine, "ordering").transaction() as tx:
            with pytest.raises(Refused):
                await half.do(tx)
    with pytest.raises(TransactionError, match="nothing was committed"):
        async with Database(engine, "ordering").transaction() as tx:
            with pytest.raises(Refused):
                await half.do(tx)
            await role(tx)
    assert await count(engine, "catalog") == 0


async def test_a_savepoint_survives_a_method_that_raises(engine: AsyncEngine) -> None:
    half = at_boundary(Half, HalfDone(), "catalog")
    async with Database(engine, "ordering").transaction() as tx:
        tx.add(OrderingRow(owner="me", name="kept"))
        with pytest.raises(Refused):
            async with tx.savepoint():
                await half.do(tx)
        with pytest.raises(TransactionError, match="nothing was committed"):
            async with tx.savepoint():
                tx.add(OrderingRow(owner="me", name="lost"))
                with pytest.raises(Refused):
                    await half.do(tx)
        assert await role(tx) == ORDERING
    assert [await count(engine, "catalog"), await count(engine, "ordering")] == [0, 1]


async def test_a_method_called_without_the_transaction_it_takes_is_named(wired: Wired) -> None:
    with pytest.raises(TransactionError, match=r"catalog\.create_item joins .* pass `tx` first"):
        await wired[Catalog].create_item("a")  # type: ignore[call-arg, arg-type]


async def test_what_waited_before_a_savepoint_survives_its_undoing(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        view_of(tx, "ordering").add(OrderingRow(owner="me", name="waiting"))
        with pytest.raises(ZeroDivisionError):
            async with tx.savepoint():
                raise ZeroDivisionError
    assert await count(engine, "ordering") == 1


async def test_a_callee_first_used_inside_a_savepoint_may_fail_and_be_used_again(
    engine: AsyncEngine, wired: Wired
) -> None:
    async with Database(engine, "ordering").transaction() as tx:
        await wired[Catalog].create_item(tx, "me", "taken")
    async with Database(engine, "ordering").transaction() as tx:
        tx.add(OrderingRow(owner="me", name="kept"))
        with pytest.raises(ItemNameTaken):
            async with tx.savepoint():
                await wired[Catalog].create_item(tx, "me", "taken")
        await wired[Catalog].create_item(tx, "me", "free")
    assert [await count(engine, "catalog"), await count(engine, "ordering")] == [2, 1]


async def test_a_callee_first_used_inside_a_savepoint_that_holds_goes_on(
    engine: AsyncEngine, wired: Wired
) -> None:
    async with Database(engine, "ordering").transaction() as tx:
        async with tx.savepoint():
            await wired[Catalog].create_item(tx, "me", "a")
            async with tx.savepoint():
                view_of(tx, "catalog").add(CatalogRow(owner="me", name="b"))
        await wired[Catalog].create_item(tx, "me", "c")
    assert await count(engine, "catalog") == 3


async def test_a_callers_own_failure_undoes_a_savepoint_that_a_callee_was_first_used_in(
    engine: AsyncEngine, wired: Wired
) -> None:
    async with Database(engine, "ordering").transaction() as tx:
        tx.add(OrderingRow(owner="me", name="taken"))
        with pytest.raises(DBAPIError, match="uq_items_owner_name"):
            async with tx.savepoint():
                await wired[Catalog].create_item(tx, "me", "undone")
                tx.add(OrderingRow(owner="me", name="taken"))
        await wired[Catalog].create_item(tx, "me", "kept")
        assert await role(tx) == ORDERING
    assert [await count(engine, "catalog"), await count(engine, "ordering")] == [1, 1]


@pytest.mark.parametrize("module", ["catalog", "ordering"])
async def test_a_savepoint_is_undone_whichever_module_fails_in_it(
    engine: AsyncEngine, module: str
) -> None:
    rows = {"catalog": CatalogRow, "ordering": OrderingRow}
    async with Database(engine, "ordering").transaction() as tx:
        for name, row in rows.items():
            view_of(tx, name).add(row(owner="me", name="taken"))
        with pytest.raises(DBAPIError, match="uq_items_owner_name"):
            async with tx.savepoint():
                for name, row in rows.items():
                    view_of(tx, name).add(row(owner="me", name="undone"))
                view_of(tx, module).add(rows[module](owner="me", name="taken"))
        for name, row in rows.items():
            view_of(tx, name).add(row(owner="me", name="after"))
        assert await role(tx) == ORDERING
    assert [await count(engine, "catalog"), await count(engine, "ordering")] == [2, 2]


async def test_a_savepoint_in_a_savepoint_undoes_its_part_alone(
    engine: AsyncEngine, wired: Wired
) -> None:
    async with Database(engine, "ordering").transaction() as tx:
        async with tx.savepoint():
            await wired[Catalog].create_item(tx, "me", "outer")
            with pytest.raises(ItemNameTaken):
                async with tx.savepoint():
                    tx.add(OrderingRow(owner="me", name="inner"))
                    await wired[Catalog].create_item(tx, "me", "outer")
            await wired[Catalog].create_item(tx, "me", "after")
        tx.add(OrderingRow(owner="me", name="end"))
    assert [await count(engine, "catalog"), await count(engine, "ordering")] == [2, 1]


async def test_sqlalchemys_own_savepoint_is_refused(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        with pytest.raises(TransactionError, match="savepoint"):
            tx.begin_nested()


async def test_a_transaction_inside_a_transaction_is_refused(engine: AsyncEngine) -> None:
    database = Database(engine, "catalog")
    async with database.transaction():
        with pytest.raises(TransactionError, match="pass its `tx` on"):
            async with database.transaction():
                pass


async def test_a_method_that_stands_alone_is_refused_inside_a_transaction(
    engine: AsyncEngine, wired: Wired
) -> None:
    async with Database(engine, "ordering").transaction():
        with pytest.raises(TransactionError, match=r"catalog.list_items does not take `tx`"):
            await wired[Catalog].list_items("me", None, 1)


async def test_another_task_cannot_use_a_transaction(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        with pytest.raises(TransactionError, match="task"):
            await asyncio.gather(role(tx), role(view_of(tx, "ordering")))


async def test_a_transaction_that_is_over_cannot_be_used(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        pass
    with pytest.raises(TransactionError, match="over"):
        await role(tx)


async def test_a_module_cannot_end_its_callers_transaction(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        with pytest.raises(TransactionError, match="Do not commit"):
            await tx.commit()
        with pytest.raises(TransactionError, match="Do not roll back"):
            await tx.rollback()


ENDS: list[tuple[Callable[[Any], object], str]] = [
    (lambda connection: connection.commit(), "Do not commit"),
    (lambda connection: connection.rollback(), "Do not roll back"),
    (lambda connection: connection.close(), "Do not roll back"),
]


@pytest.fixture
def on_insert() -> Iterator[Callable[[str, Callable[[Any], object]], None]]:
    """Lets the event of a mapper do something with its connection, for rows of the name b."""
    listening: list[tuple[type, str, Callable[..., None]]] = []

    def listen(when: str, do: Callable[[Any], object]) -> None:
        def heard(_mapper: object, connection: object, row: CatalogRow) -> None:
            if row.name == "b":
                do(connection)

        listening.append((CatalogRow, when, heard))
        event.listen(*listening[-1])

    yield listen
    for each in listening:
        event.remove(*each)


@pytest.mark.parametrize(("end", "said"), ENDS)
@pytest.mark.parametrize("when", ["before_insert", "after_insert"])
@pytest.mark.parametrize("inside", [False, True])
async def test_neither_can_the_event_of_a_mapper(
    engine: AsyncEngine, on_insert: Any, end: Any, said: str, when: str, inside: bool
) -> None:
    on_insert(when, end)
    with pytest.raises(TransactionError, match=said):
        async with Database(engine, "catalog").transaction() as tx:
            tx.add(CatalogRow(owner="me", name="a"))
            await tx.flush()
            async with tx.savepoint() if inside else nullcontext():
                tx.add(CatalogRow(owner="me", name="b"))
                await tx.flush()
    assert await count(engine, "catalog") == 0


@pytest.mark.parametrize(("end", "said"), ENDS)
@pytest.mark.parametrize("when", ["before_insert", "after_insert"])
async def test_a_refusal_that_it_catches_changes_nothing(
    engine: AsyncEngine, on_insert: Any, end: Any, said: str, when: str
) -> None:
    def try_to(connection: object) -> None:
        with pytest.raises(TransactionError, match=said):
            end(connection)

    on_insert(when, try_to)
    async with Database(engine, "catalog").transaction() as tx:
        tx.add_all(CatalogRow(owner="me", name=name) for name in "ab")
        await tx.flush()
        assert await role(tx) == CATALOG
    assert await count(engine, "catalog") == 2


@pytest.mark.filterwarnings("ignore:.*already deassociated")
@pytest.mark.parametrize("how", ["commit", "rollback"])
@pytest.mark.parametrize("when", ["before_insert", "after_insert"])
async def test_what_it_ends_by_another_way_is_not_committed_in_part(
    engine: AsyncEngine, on_insert: Any, how: str, when: str
) -> None:
    def end(connection: Any) -> None:
        with suppress(TransactionError):
            getattr(connection.get_transaction(), how)()

    on_insert(when, end)
    with pytest.raises((TransactionError, InvalidRequestError)):
        async with Database(engine, "catalog").transaction() as tx:
            tx.add(CatalogRow(owner="me", name="a"))
            await tx.flush()
            tx.add(CatalogRow(owner="me", name="b"))
            await tx.flush()
    assert await count(engine, "catalog") == 0


async def test_a_transaction_takes_a_connection_with_its_first_statement(
    settings: Settings,
) -> None:
    one = {"database_pool_size": 1, "database_pool_timeout": 0.05}
    engine = create_engine(settings.model_copy(update=one))
    async with engine.connect(), Database(engine, "catalog").transaction() as tx:
        view_of(tx, "ordering")
    async with Database(engine, "catalog").transaction() as tx:
        assert await role(view_of(tx, "ordering")) == ORDERING
    await engine.dispose()


async def test_what_waited_for_a_connection_that_did_not_come_is_not_forgotten(
    settings: Settings,
) -> None:
    one = {"database_pool_size": 1, "database_pool_timeout": 0.05}
    engine = create_engine(settings.model_copy(update=one))
    with pytest.raises(TransactionError, match="nothing was committed"):
        async with Database(engine, "catalog").transaction() as tx:
            tx.add(CatalogRow(owner="me", name="a"))
            async with engine.connect():
                with pytest.raises(PoolTimeoutError):
                    await tx.flush()
            tx.add(CatalogRow(owner="me", name="b"))
    assert await count(engine, "catalog") == 0
    await engine.dispose()


async def numbers(tx: Tx) -> AsyncGenerator[int, None]:
    async with tx.savepoint():
        await tx.execute(text("SELECT 1"))
        yield 1
        yield 2


async def test_a_stream_closed_early_in_a_savepoint_undoes_nothing_of_its_reader(
    engine: AsyncEngine,
) -> None:
    async with Database(engine, "catalog").transaction() as tx, aclosing(numbers(tx)) as stream:
        async for _ in stream:
            tx.add(CatalogRow(owner="me", name="kept"))
            await tx.flush()
            break
    assert await count(engine, "catalog") == 1


async def test_a_stream_that_nobody_closes_in_a_savepoint_is_no_silent_loss(
    engine: AsyncEngine,
) -> None:
    with pytest.raises(TransactionError):
        async with Database(engine, "catalog").transaction() as tx:
            stream = numbers(tx)
            await anext(stream)
            tx.add(CatalogRow(owner="me", name="lost"))
            await tx.flush()
            del stream
            await asyncio.sleep(0.1)
    assert await count(engine, "catalog") == 0


async def test_a_database_that_is_not_there_is_told_apart_from_all_else(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"database_url": "postgresql://app@127.0.0.1:1/app"})
    engine = create_engine(nowhere)
    db = Database(engine, "catalog")
    with pytest.raises(UnreachableError, match="Connect call failed"):
        async with db.transaction() as tx:
            await role(tx)
    with pytest.raises(UnreachableError, match="Connect call failed"):
        async with db.read() as reading:
            await reading.scalar(text("SELECT 1"))
    with pytest.raises(UnreachableError, match="Connect call failed"):
        await db.fetch(Prepared(select(literal(1))))
    await engine.dispose()


async def test_postgres_stops_a_statement_that_takes_too_long(settings: Settings) -> None:
    engine = create_engine(settings.model_copy(update={"database_statement_timeout": 0.05}))
    with pytest.raises(DBAPIError, match="statement timeout"):
        async with Database(engine, "catalog").transaction() as tx:
            await tx.execute(text("SELECT pg_sleep(5)"))
    await engine.dispose()


async def test_the_pool_hands_out_clean_connections_after_a_thousand_mixed_transactions(
    settings: Settings,
) -> None:
    patient = {"database_pool_timeout": 60, "database_statement_timeout": 59}
    engine = create_engine(settings.model_copy(update={"database_pool_size": 4, **patient}))

    async def done(tx: Tx) -> None:
        view_of(tx, "ordering").add(OrderingRow(owner="me", name=uuid4().hex))
        await role(tx)

    async def failed(tx: Tx) -> None:
        await view_of(tx, "ordering").execute(text("SELECT 1/0"))

    async def raised(tx: Tx) -> None:
        await role(view_of(tx, "ordering"))
        raise ZeroDivisionError

    async def trespassed(tx: Tx) -> None:
        await tx.execute(text("SELECT * FROM ordering.items"))

    async def survived(tx: Tx) -> None:
        with pytest.raises(DBAPIError):
            async with tx.savepoint():
                await view_of(tx, "ordering").execute(text("SELECT 1/0"))
        tx.add(CatalogRow(owner="me", name=uuid4().hex))

    async def timed_out(tx: Tx) -> None:
        await view_of(tx, "ordering").execute(text("SELECT pg_sleep(5)"))

    async def cancelled(tx: Tx) -> None:
        await role(view_of(tx, "ordering"))
        await tx.execute(text("SELECT pg_sleep(5)"))

    kinds = [done, failed, raised, trespassed, survived, timed_out, cancelled]
    expected: list[Any] = [
        NoneType,
        DBAPIError,
        ZeroDivisionError,
        BoundaryError,
        NoneType,
        (DBAPIError, UnreachableError),  # On a machine too busy to hear Postgres say so.
        TimeoutError,
    ]

    async def once(number: int) -> None:
        kind = kinds[number % len(kinds)]
        with statements_may_take(0.001) if kind is timed_out else nullcontext():
            async with Database(engine, "catalog").transaction() as tx:
                async with asyncio.timeout(0.01 if kind is cancelled else None):
                    await kind(tx)

    async def one_after_the_other(first: int) -> list[BaseException | None]:
        return [
            (await asyncio.gather(asyncio.create_task(once(number)), return_exceptions=True))[0]
            for number in range(first, 1000, 10)
        ]

    columns = await asyncio.gather(*(one_after_the_other(first) for first in range(10)))
    for first, outcomes in enumerate(columns):
        for number, outcome in zip(range(first, 1000, 10), outcomes, strict=True):
            assert isinstance(outcome, expected[number % len(kinds)]), number
    assert await count(engine, "ordering") == len(range(0, 1000, len(kinds)))
    assert await count(engine, "catalog") == len(range(4, 1000, len(kinds)))

    async with AsyncExitStack() as held:
        for _ in range(4):
            connection = await held.enter_async_context(engine.connect())
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            assert not driver.is_in_transaction()
            assert await driver.fetchrow(STATE) == ("app_test", "app_test", "59s", 0)
    await engine.dispose()


async def test_connections_that_were_closed_in_the_pool_are_replaced(settings: Settings) -> None:
    engine = create_engine(settings.model_copy(update={"database_pool_size": 3}))
    async with AsyncExitStack() as stack:
        pids = [
            await (await stack.enter_async_context(engine.connect())).scalar(
                text("SELECT pg_backend_pid()")
            )
            for _ in range(3)
        ]
    async with engine.connect() as connection:
        own = await connection.scalar(text("SELECT pg_backend_pid()"))
        for pid in {*pids} - {own}:
            await connection.execute(text(f"SELECT pg_terminate_backend({pid}, 5000)"))
    async with AsyncExitStack() as stack:
        for _ in range(3):
            connection = await stack.enter_async_context(engine.connect())
            assert await connection.scalar(text("SELECT 1")) == 1
    await engine.dispose()


async def test_a_missing_role_fails_and_leaves_no_broken_connection(settings: Settings) -> None:
    engine = create_engine(settings.model_copy(update={"database_pool_size": 1}))
    with pytest.raises(DBAPIError, match='role "app_test__nobody" does not exist'):
        async with Database(engine, "nobody").transaction() as tx:
            await role(tx)
    async with Database(engine, "catalog").transaction() as tx:
        assert await role(tx) == CATALOG
    await engine.dispose()


async def test_a_server_that_ends_as_a_statement_is_sent_is_a_broken_connection(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def prepare(*_args: object, **_options: object) -> None:
        raise asyncpg.InternalClientError("cannot switch to state 11")

    db = Database(engine, "catalog")
    async with db.transaction() as tx:
        await tx.execute(text("SELECT 1"))
    with monkeypatch.context() as patch, pytest.raises(UnreachableError):  # Not to be had at will.
        patch.setattr(asyncpg.Connection, "prepare", prepare)
        async with db.transaction() as tx:
            await tx.execute(text("SELECT 2"))
    async with db.transaction() as tx:
        assert await tx.scalar(text("SELECT 2")) == 2
