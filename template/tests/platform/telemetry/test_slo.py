"""What modules promise, and which requests keep to it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import pytest
from httpx import AsyncClient
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import Message, Receive, Scope, Send

from app.platform.database.database import Database, Tx
from app.platform.errors import DomainError
from app.platform.telemetry.slo import (
    begin_parts,
    culprit_of,
    Objectives,
    ObjectivesError,
    read_objectives,
    take_part,
    waiting_for,
    waits,
)
from app.platform.web.requests import Requests
from app.platform.wiring.boundary import at_boundary
from app.platform.wiring.discovery import discover
from app.platform.wiring.module_toml import WiringError
from app.platform.wiring.modules import ModuleFolder
from app.platform.wiring.observing import observe_call

from ..clock import Clock

MODULES = ("shop_window", "till", "stock")
Counts = Callable[[], dict[str, float]]
Handle = Callable[[], Awaitable[int]]


class WallClock(Clock):
    time = time.time


CLOCK = WallClock()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    for module in ("telemetry.slo", "web.requests"):
        monkeypatch.setattr(f"app.platform.{module}.time", CLOCK)
    return CLOCK


@pytest.fixture
def counted() -> Counts:
    """What was counted since the test began: `{"till failed": 1}`."""

    def now() -> dict[str, float]:
        return {
            f"{sample.labels['module']} {sample.labels['outcome']}": sample.value
            for metric in REGISTRY.collect()
            for sample in metric.samples
            if sample.name == "slo_requests_total"
        }

    before = now()
    return lambda: {
        key: value - before.get(key, 0)
        for key, value in now().items()
        if value != before.get(key, 0)
    }


async def ask(handle: Handle, path: str = "/shop-window", **scope: Any) -> None:
    """Send a request that is answered by a function, which returns its status."""

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        # As the application leaves them.
        try:
            scope["status"] = await handle()
        except Exception as error:
            scope["status"], scope["error"] = 500, error

    async def ignore(_message: Message) -> None: ...

    async def never() -> Message:
        raise AssertionError

    objectives = dict.fromkeys(MODULES, Objectives(latency_p99=0.05))
    modules = {name.replace("_", "-"): name for name in MODULES}
    requests = Requests(app, modules, objectives)
    given = {"type": "http", "path": path, "headers": [], "method": "GET"} | scope
    # Each request is a task of its own, as the server has it.
    await asyncio.create_task(requests(given, never, ignore))


async def answer(status: int = 200, after: float = 0) -> int:
    CLOCK.now += after
    return status


class EmptyError(DomainError): ...


class Till(Protocol):
    async def pay(self, error: Exception | None = None) -> None: ...


class _Till:
    async def pay(self, error: Exception | None = None) -> None:
        if error is not None:
            raise error


TILL = at_boundary(Till, _Till(), "till", observe_call)


async def test_an_answer_is_good_in_time_slow_after_it_and_failed_at_any_speed(
    counted: Counts,
) -> None:
    await ask(answer)
    await ask(lambda: answer(404))
    await ask(lambda: answer(after=0.06))
    await ask(lambda: answer(503, after=0.06))
    assert counted() == {
        "shop_window good": 2,
        "shop_window slow": 1,
        "shop_window failed": 1,
    }


async def test_what_its_caller_may_not_do_does_not_count(counted: Counts) -> None:
    for status, reason in ((401, "authentication"), (429, "rate"), (413, "size"), (408, "time")):
        await ask(partial(answer, status), refused=reason)
    await ask(answer, path="/healthz")
    assert counted() == {}
    await ask(lambda: answer(503), refused="concurrency")
    assert counted() == {"shop_window failed": 1}


async def test_a_request_counts_for_all_who_take_part(counted: Counts) -> None:
    async def sell() -> int:
        await TILL.pay()
        await TILL.pay()
        with pytest.raises(EmptyError):
            await TILL.pay(EmptyError("of change"))
        return await answer(409)

    await ask(sell)
    assert counted() == {"shop_window good": 1, "till good": 1}


async def test_what_is_waited_for_another_process_is_a_matter_of_its_module(
    counted: Counts,
) -> None:
    async def sell() -> int:
        await TILL.pay()
        with waiting_for("till"):
            return await answer(after=0.07)

    async def dawdle() -> int:
        await TILL.pay()
        with waiting_for("till"):
            pass
        return await answer(after=0.07)

    await ask(sell)
    assert counted() == {"shop_window good": 1, "till slow": 1}
    await ask(dawdle)
    assert counted() == {
        "shop_window good": 1,
        "till slow": 1,
        "shop_window slow": 1,
        "till good": 1,
    }


async def test_who_waits_for_several_answers_at_once_waits_as_long_as_for_the_last(
    clock: Clock,
) -> None:
    async def wait(module: str, last: int) -> None:
        with waiting_for(module):
            for _ in range(last):
                await asyncio.sleep(0)
                clock.now += 1

    begin_parts()
    began = clock.now
    await asyncio.gather(*(wait(each, last) for each in ("till", "stock") for last in range(1, 4)))
    assert waits()[""] == clock.now - began
    assert 0 < waits()["till"] < waits()["stock"] == waits()[""]


async def test_a_failure_counts_against_the_module_that_raised_it_alone(counted: Counts) -> None:
    async def sell() -> int:
        await TILL.pay(KeyError("drawer"))
        return 200

    await ask(sell)
    assert counted() == {"till failed": 1}


class Window(Protocol):
    async def sell(self, mine: Exception | None = None) -> None: ...


class _Window:
    async def sell(self, mine: Exception | None = None) -> None:
        try:
            await TILL.pay(KeyError("drawer"))
        except KeyError as error:
            if mine is None:
                raise RuntimeError("not sold") from error
        if mine is not None:
            raise mine


WINDOW = at_boundary(Window, _Window(), "shop_window", observe_call)


async def test_whoever_passes_an_error_on_is_not_to_blame_but_for_one_of_its_own(
    counted: Counts,
) -> None:
    async def pass_on() -> int:
        await WINDOW.sell()
        return 200

    async def own() -> int:
        await WINDOW.sell(ZeroDivisionError())
        return 200

    await ask(pass_on)
    assert counted() == {"till failed": 1}
    await ask(own)
    assert counted() == {"till failed": 1, "shop_window failed": 1}


class Joined(Protocol):
    async def charge(self, tx: Tx) -> None: ...

    def bills(self, tx: Tx) -> AsyncIterator[int]: ...

    def alone(self) -> AsyncIterator[int]: ...


class _Joined:
    async def charge(self, tx: Tx) -> None:
        await tx.scalar(text("SELECT 1"))

    async def bills(self, tx: Tx) -> AsyncIterator[int]:
        yield 1

    async def alone(self) -> AsyncIterator[int]:
        yield 1


JOINED = at_boundary(Joined, _Joined(), "stock", observe_call)


async def each(stream: AsyncIterator[int]) -> None:
    async for _ in stream:
        pass


async def over(db: Database) -> Tx:
    async with db.transaction() as tx:
        return tx


async def inside(db: Database, call: Callable[[], Awaitable[object]]) -> None:
    async with db.transaction():
        await call()


async def in_another_task(db: Database) -> None:
    async with db.transaction() as tx:
        await asyncio.gather(JOINED.charge(tx))


async def undone(db: Database) -> None:
    async with db.transaction() as tx:
        tx.undo()
        await JOINED.charge(tx)


async def during_a_read(db: Database) -> None:
    async with db.read():
        await TILL.pay()


MISUSES: dict[str, Callable[[Database], Awaitable[object]]] = {
    "without tx inside a transaction": lambda db: inside(db, TILL.pay),
    "without tx inside a read": during_a_read,
    "a stream without tx inside a transaction": lambda db: inside(
        db, partial(each, JOINED.alone())
    ),
    "no tx where one is needed": lambda _db: JOINED.charge(),  # type: ignore[call-arg]
    "another thing for tx": lambda _db: JOINED.charge(1),  # type: ignore[arg-type]
    "another thing for tx of a stream": lambda _db: each(JOINED.bills(1)),  # type: ignore[arg-type]
    "arguments that do not fit": lambda _db: TILL.pay(None, 2),  # type: ignore[call-arg]
    "a transaction that was undone": undone,
    "a transaction in another task": in_another_task,
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES)
async def test_a_call_that_the_boundary_refuses_counts_against_its_caller(
    misuse: Callable[[Database], Awaitable[object]], engine: AsyncEngine, counted: Counts
) -> None:
    refused, failed = calls("refused"), calls("error")

    async def sell() -> int:
        await misuse(Database(engine, "shop_window"))
        return 200

    await ask(sell)
    assert counted() == {"shop_window failed": 1}
    assert (calls("refused"), calls("error")) == (refused + 1, failed)


async def test_so_does_one_with_a_transaction_that_is_over(
    engine: AsyncEngine, counted: Counts
) -> None:
    tx = await over(Database(engine, "shop_window"))

    async def sell() -> int:
        await JOINED.charge(tx)
        return 200

    await ask(sell)
    assert counted() == {"shop_window failed": 1}


async def test_who_calls_wrongly_is_to_blame_and_not_who_called_them(
    engine: AsyncEngine, counted: Counts
) -> None:
    class Wrong(_Till):
        async def pay(self, error: Exception | None = None) -> None:
            await JOINED.charge(error)  # type: ignore[arg-type]

    wrong = at_boundary(Till, Wrong(), "till", observe_call)

    async def sell() -> int:
        await wrong.pay()
        return 200

    await ask(sell)
    assert counted() == {"till failed": 1}


def calls(outcome: str) -> float:
    return sum(
        sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "boundary_calls_total" and sample.labels["outcome"] == outcome
    )


async def test_what_was_caught_is_not_to_blame_for_what_fails_later(counted: Counts) -> None:
    async def sell() -> int:
        with suppress(KeyError):
            await TILL.pay(KeyError("drawer"))
        raise ZeroDivisionError

    await ask(sell)
    assert counted() == {"shop_window failed": 1}


async def test_an_answer_that_breaks_off_has_failed(counted: Counts) -> None:
    await ask(answer, error=RuntimeError("in the stream"))
    assert counted() == {"shop_window failed": 1}


async def test_what_nobody_waited_for_and_what_browsers_ask_first_do_not_count(
    counted: Counts,
) -> None:
    await ask(partial(answer, 499))
    await ask(answer, method="OPTIONS")
    assert counted() == {}


async def test_requests_of_the_application_are_counted(
    client: AsyncClient, counted: Counts
) -> None:
    await client.get("/catalog/items")
    assert counted() == {"catalog good": 1}


def test_objectives_may_be_left_out() -> None:
    assert read_objectives({}) == Objectives(0.999, 0.3)
    assert read_objectives({"latency_p99_ms": 1500}) == Objectives(0.999, 1.5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("99.9 %", "slo is no table"),
        ({"availability": 99.9}, "availability = 99.9 is not a share of requests from 0.9"),
        ({"availability": 1}, "availability = 1 is not"),
        ({"availability": 0.5}, "availability = 0.5 is not"),
        ({"availability": float("nan")}, "availability = nan is not"),
        ({"availability": True}, "availability = True is not"),
        (
            {"latency_p99_ms": 0},
            "latency_p99_ms = 0 is not a time from above 0 to 60000 ms: write 300",
        ),
        ({"latency_p99_ms": "300ms"}, "latency_p99_ms = '300ms' is not"),
        ({"latency_p99_ms": float("inf")}, "latency_p99_ms = inf is not"),
        ({"latency_ms": 300}, "has latency_ms, but may only have availability and latency_p99_ms"),
    ],
)
def test_objectives_that_cannot_be_are_refused(given: object, said: str) -> None:
    with pytest.raises(ObjectivesError, match=said):
        read_objectives(given)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[slo]\navailability = 2", r": \[slo\] availability = 2 is"),
        ("[slos]\navailability = 0.99", " has slos, but may only have owner, "),
        ("[slo\navailability = 0.99", " is no TOML: .*line 3"),
        ('[slo]\nextensions = ["citext"]', r": extensions must stand above \[slo\]"),
    ],
)
def test_the_refusal_names_the_file(tmp_path: Path, text: str, said: str) -> None:
    module = tmp_path / "planted" / "billing"
    module.mkdir(parents=True)
    (module / "__init__.py").touch()
    (module / "module.toml").write_text(f'owner = "@acme/team"\ndepends_on = []\n{text}\n')
    planted = ModuleType("planted")
    planted.__path__ = [str(module.parent)]
    with pytest.raises(WiringError, match=f"billing/module.toml{said}"):
        discover(planted)


def test_modules_of_the_skeleton_state_theirs(folders: list[ModuleFolder]) -> None:
    for folder in folders:
        assert "[slo]" in (folder.path / "module.toml").read_text("utf-8")


async def test_whose_error_it_is_is_found_among_those_of_several_tasks() -> None:
    begin_parts()
    error = TimeoutError("of a partner")
    take_part("till", error)
    assert culprit_of(ExceptionGroup("", [ValueError(), ExceptionGroup("", [error])])) == "till"
    assert culprit_of(ExceptionGroup("", [ValueError()])) is None
