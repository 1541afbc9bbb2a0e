"""The wrapper between two modules: what it accepts, and what may watch it."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Protocol

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Integer, literal, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database, Tx
from app.platform.database.engine import create_engine
from app.platform.database.errors import TransactionError
from app.platform.database.fetch import Prepared
from app.platform.settings.settings import Settings
from app.platform.telemetry.context import speaking
from app.platform.wiring.boundary import at_boundary, BoundaryCall, CallError, TransactionCallError
from app.platform.wiring.interfaces import InterfaceError, Method
from app.platform.wiring.observing import observe_call


class Shop(Protocol):
    async def sell(self, tx: Tx, item: str, *, price: int = 1) -> str:
        """Sell inside the caller's transaction."""

    async def sold(self, item: str) -> int:
        """Say how often an item was sold."""


class Real:
    async def sell(self, tx: Tx, item: str, *, price: int = 1) -> str:
        return f"{item} for {price}"

    async def sold(self, item: str) -> int:
        if item == "":
            raise ZeroDivisionError
        return 1


def implementation(method: str, parameters: str) -> Any:
    """A shop one of whose methods takes other parameters."""
    namespace: dict[str, Any] = {}
    exec(f"async def {method}({parameters}): ...", namespace)
    return type("Other", (Real,), {method: namespace[method]})()


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("sold", "self, item"),
        ("sold", "self, item, more=None"),
        ("sold", "self, item, *, more=None"),
        ("sold", "self, item=None"),
        ("sold", "self, *args, **kwargs"),
        ("sell", "self, tx, item, price=1"),
        ("sell", "self, tx, item, **rest"),
    ],
)
def test_an_implementation_may_take_more_than_it_must(method: str, parameters: str) -> None:
    at_boundary(Shop, implementation(method, parameters), "shop")


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("sold", "self"),
        ("sold", "self, thing"),
        ("sold", "self, item, more"),
        ("sold", "self, item, *, more"),
        ("sold", "self, item, /"),
        ("sold", "self, *, item"),
        ("sold", "self, thing=None, **rest"),
        ("sell", "self, item, tx, *, price=1"),
        ("sell", "self, tx, item, *, price"),
        ("sell", "self, tx, item, *, cost=1"),
    ],
)
def test_an_implementation_that_a_caller_could_misunderstand_is_refused(
    method: str, parameters: str
) -> None:
    with pytest.raises(InterfaceError, match=rf"^Other.{method}\(.* as Shop.{method}\(.*: give "):
        at_boundary(Shop, implementation(method, parameters), "shop")


def test_a_renamed_parameter_is_told_with_both_names() -> None:
    with pytest.raises(InterfaceError) as refused:
        at_boundary(Shop, implementation("sell", "self, tx, thing, *, price=1"), "shop")
    assert str(refused.value) == (
        "Other.sell(tx, thing, *, price=1) cannot be called as Shop.sell(tx, item, *, price=1) "
        "promises: give its parameters the same names in the same order, and any more of them a "
        "default."
    )


def test_an_empty_method_inherited_from_the_interface_is_missing() -> None:
    class Lazy(Shop):
        async def sold(self, item: str) -> int:
            return 1

    with pytest.raises(InterfaceError, match="Lazy lacks `sell`, which Shop promises: add"):
        at_boundary(Shop, Lazy(), "shop")  # type: ignore[abstract]


async def test_an_instrument_sees_results_errors_and_refusals(engine: AsyncEngine) -> None:
    seen: list[object] = []

    def instrument(call: BoundaryCall, method: Method) -> Method:
        async def watched(*args: Any, **kwargs: Any) -> Any:
            try:
                result = await method(*args, **kwargs)
            except Exception as error:
                seen.append((call.method, type(error)))
                raise
            seen.append((call.method, result))
            return result

        assert inspect.signature(method) == inspect.signature(getattr(Real(), call.method))
        seen.append(call)
        return watched

    shop = at_boundary(Shop, Real(), "shop", instrument)
    assert seen == [
        BoundaryCall("shop", "sell", joins=True, is_async=True),
        BoundaryCall("shop", "sold", joins=False, is_async=True),
    ]
    seen.clear()
    with pytest.raises(ZeroDivisionError):
        await shop.sold("")
    async with Database(engine, "catalog").transaction() as tx:
        await shop.sell(tx=tx, item="tea", price=2)
        with pytest.raises(TransactionError):
            await shop.sold("tea")
    assert seen == [
        ("sold", ZeroDivisionError),
        ("sell", "tea for 2"),
        ("sold", TransactionCallError),
    ]


async def test_a_call_that_does_not_fit_is_its_callers_mistake(engine: AsyncEngine) -> None:
    shop: Any = at_boundary(Shop, Real(), "shop")
    with pytest.raises(CallError, match=r"^shop\.sold: missing a required argument: 'item'\.$"):
        await shop.sold()
    with pytest.raises(CallError, match=r"^shop\.sell joins its caller's transaction: pass `tx`"):
        await shop.sell()
    with pytest.raises(CallError, match=r"^shop\.sell joins its caller's transaction: pass `tx`"):
        await shop.sell("tea")
    async with Database(engine, "catalog").transaction() as tx:
        with pytest.raises(
            TypeError, match=r"^shop\.sell: got an unexpected keyword argument 'cost'"
        ):
            await shop.sell(tx, "tea", cost=2)
        tx._transaction.is_undone = False
        over = tx
    with pytest.raises(CallError, match="This transaction is over"):
        await shop.sell(over, "tea")


async def test_a_type_error_of_the_module_is_its_own(engine: AsyncEngine) -> None:
    class Wrong(Real):
        async def sold(self, item: str) -> int:
            return 1 + item  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand") as raised:
        await at_boundary(Shop, Wrong(), "shop").sold("tea")
    assert not isinstance(raised.value, CallError)


class Rows(Protocol):
    def stream(self, tx: Tx, last: int) -> AsyncIterator[str]: ...

    def closable(self, tx: Tx) -> AsyncGenerator[str, None]: ...

    def alone(self) -> AsyncIterator[str]: ...

    def writing(self) -> AsyncIterator[str]: ...


WHO = text("SELECT current_user")


class Streaming:
    """Streams who speaks, to Postgres and in the log."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.closed: list[str] = []

    async def stream(self, tx: Tx, last: int) -> AsyncIterator[str]:
        for _ in range(last):
            yield f"{await tx.scalar(WHO)} {speaking.get()}"
        raise ZeroDivisionError

    async def closable(self, tx: Tx) -> AsyncGenerator[str, None]:
        try:
            while True:
                yield str(await tx.scalar(WHO))
        finally:
            self.closed.append(f"{await tx.scalar(WHO)} {speaking.get()}")

    async def alone(self) -> AsyncIterator[str]:
        async with self._db.read() as reading:
            for _ in range(3):
                yield f"{await reading.scalar(WHO)} {speaking.get()}"

    async def writing(self) -> AsyncIterator[str]:
        async with self._db.transaction() as tx:
            while True:
                yield f"{await tx.scalar(WHO)} {speaking.get()}"


@pytest.fixture
def streaming(engine: AsyncEngine) -> Streaming:
    return Streaming(Database(engine, "ordering"))


@pytest.fixture
def rows(streaming: Streaming) -> Rows:
    return at_boundary(Rows, streaming, "ordering", observe_call)


def calls(method: str, outcome: str) -> float:
    labels = {"module": "ordering", "method": method, "outcome": outcome}
    return REGISTRY.get_sample_value("boundary_calls_total", labels) or 0


async def test_between_two_items_of_a_stream_its_caller_speaks(
    rows: Rows, engine: AsyncEngine
) -> None:
    token = speaking.set("catalog")
    before = calls("stream", "error")
    async with Database(engine, "catalog").transaction() as tx:
        with pytest.raises(ZeroDivisionError):
            async with tx.savepoint():
                async for who in rows.stream(tx, last=2):
                    assert who == "app_test__ordering ordering"
                    assert await tx.scalar(WHO) == "app_test__catalog"
                    assert speaking.get() == "catalog"
        assert await tx.scalar(WHO) == "app_test__catalog"
    assert speaking.get() == "catalog"
    assert calls("stream", "error") == before + 1
    speaking.reset(token)


async def test_what_fails_while_a_stream_is_read_undoes_its_transaction(
    rows: Rows, engine: AsyncEngine
) -> None:
    with pytest.raises(TransactionError, match="undone by an error that was caught"):
        async with Database(engine, "catalog").transaction() as tx:
            with pytest.raises(ZeroDivisionError):
                async for _ in rows.stream(tx, 1):
                    pass


async def test_a_stream_that_is_closed_early_undoes_nothing(
    rows: Rows, streaming: Streaming, engine: AsyncEngine
) -> None:
    before = calls("closable", "ok")
    async with Database(engine, "catalog").transaction() as tx:
        async with aclosing(rows.closable(tx)) as stream:
            async for who in stream:
                assert who == "app_test__ordering"
                break
        assert streaming.closed == ["app_test__ordering ordering"]
        assert await tx.scalar(WHO) == "app_test__catalog"
    assert calls("closable", "ok") == before + 1


async def test_a_stream_without_tx_is_refused_inside_a_transaction_whenever_it_is_read(
    rows: Rows, engine: AsyncEngine
) -> None:
    db = Database(engine, "catalog")
    begun = rows.alone()
    assert await anext(begun) == "app_test__ordering ordering"
    with pytest.raises(TransactionError, match="a read is open already"):
        async with db.transaction():
            pass
    assert [who async for who in begun] == ["app_test__ordering ordering"] * 2
    unread = rows.alone()
    async with db.transaction():
        for stream in (unread, rows.alone()):
            with pytest.raises(CallError, match=r"^ordering\.alone does not take `tx`"):
                await anext(stream)


@pytest.mark.parametrize("kind", ["alone", "writing"])
async def test_a_stream_that_its_reader_broke_out_of_stands_in_nobodys_way(
    settings: Settings, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = create_engine(settings.model_copy(update={"database_pool_size": 1}))
    rows = at_boundary(Rows, Streaming(Database(engine, "ordering")), "ordering", observe_call)
    shop, db = at_boundary(Shop, Real(), "shop"), Database(engine, "catalog")

    async def look() -> None:
        async for _ in getattr(rows, kind)():
            break

    for _ in range(2):
        await look()
        async with db.transaction() as tx:
            assert await tx.scalar(WHO) == "app_test__catalog"
        await look()
        async with db.read() as reading:
            assert await reading.scalar(WHO) == "app_test__catalog"
        await look()
        assert await db.fetch(Prepared(select(literal(1, Integer)))) == [(1,)]
        await look()
        assert await shop.sold("tea") == 1
    assert [who async for who in rows.alone()] == ["app_test__ordering ordering"] * 3
    await asyncio.sleep(0)
    assert caplog.text == ""
    await engine.dispose()


async def test_a_stream_whose_transaction_is_over_is_its_callers_mistake(
    rows: Rows, engine: AsyncEngine
) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        stream, unread = rows.closable(tx), rows.closable(tx)
        assert await anext(stream) == "app_test__ordering"
        await stream.aclose()
    with pytest.raises(CallError, match="This transaction is over"):
        await anext(unread)
