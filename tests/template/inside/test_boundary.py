"""The wrapper between two modules: what it accepts, and what may watch it."""

import inspect
from typing import Any, Protocol

import pytest
from app.platform.boundary import BoundaryCall, InterfaceError, Method, at_boundary
from app.platform.database import Database, Tx
from app.platform.engine import TransactionError
from sqlalchemy.ext.asyncio import AsyncEngine


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
        ("sold", TransactionError),
    ]
