"""A service that is down, slow, silent, half there, mad, older or newer: survived, and nothing twice."""

import asyncio
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any, Protocol
from uuid import UUID, uuid4

import httpx
import pytest
import uvloop

from app.platform.database.reading import has_committed
from app.platform.database.sides import HeldError
from app.platform.errors import (
    DomainError,
    RemoteError,
    RemoteMismatch,
    RemoteRefused,
    RemoteTimeout,
    RemoteUnavailable,
)
from app.platform.remote import calling
from app.platform.remote.breaker import Breaker
from app.platform.remote.exchange import Exchange, UnansweredError
from app.platform.timeouts import given_up_after, REMOTE_AWAY

from ..clock import Clock
from ..looking import free_port
from .conftest import Connect, KEYS, running, served, wired_to
from .ledger import Declined, Entry, Kind, Ledger, Service
from .network import Network

ENTRY = Entry(UUID(int=1), Kind.CHARGE, Decimal(1))


async def reached(service: Service, calls: int) -> None:
    """Wait until a service has been called so many times."""
    async with asyncio.timeout(30):
        while service.calls < calls:
            await asyncio.sleep(0.005)


async def connected(ledger: Ledger, service: Service, calls: int) -> None:
    """Open a connection for each of so many calls, which may then have no time for that."""
    service.calls = 0
    service.may_end.clear()
    waiting = [asyncio.ensure_future(ledger.wait(0)) for _ in range(calls)]
    await reached(service, calls)
    service.may_end.set()
    await asyncio.gather(*waiting)
    service.calls = service.ended = 0


async def test_a_service_that_is_down_is_not_available(connect: Connect, network: Network) -> None:
    network.is_closed = True
    with pytest.raises(RemoteUnavailable, match=r"ledger\.get is not reachable: "):
        await connect().get(ENTRY.id)
    with pytest.raises(RemoteUnavailable) as nobody:  # No process at all.
        await connect("http://127.0.0.1:1").book(ENTRY)
    assert nobody.value.is_undone


async def test_one_that_comes_back_is_found_at_once(connect: Connect, network: Network) -> None:
    """As in a deployment: for a moment there is nobody, and nothing was sent."""
    ledger = connect()
    assert await ledger.book(ENTRY) == ENTRY
    network.reset()
    assert await ledger.book(ENTRY) == ENTRY
    assert network.connections == 2


async def test_what_was_never_sent_is_sent_again(connect: Connect, port: int) -> None:
    """Whatever it does: an instance that has just gone has a successor."""
    nobody = free_port()
    task = asyncio.ensure_future(connect(f"http://127.0.0.1:{nobody}").book(ENTRY))
    await asyncio.sleep(0.01)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_connection("127.0.0.1", port)
        to.write(await reader.readuntil(b"}}"))
        writer.write(await there.readuntil(b"}"))
        for each in (to, writer):
            each.close()

    async with await asyncio.start_server(forward, "127.0.0.1", nobody):
        assert await task == ENTRY


async def test_an_encrypted_connection_that_fails_is_none(connect: Connect, port: int) -> None:
    with pytest.raises(RemoteUnavailable, match="ConnectError") as failed:
        await connect(f"https://127.0.0.1:{port}").book(ENTRY)
    assert failed.value.is_undone


async def test_a_slow_one_is_waited_for_as_long_as_is_said(
    connect: Connect, service: Service
) -> None:
    ledger = connect(remote_timeouts="ledger=30 ledger.wait_once=0.1")
    await connected(ledger, service, 1)
    begun = time.perf_counter()
    with pytest.raises(RemoteTimeout, match=r"ledger\.wait_once did not answer within \d\S* s"):
        await ledger.wait_once(60)
    assert time.perf_counter() - begun < 30
    assert await ledger.wait(0.2)


async def test_a_silent_one_is_as_slow(
    connect: Connect, network: Network, service: Service
) -> None:
    ledger = connect(remote_timeouts="ledger=30 ledger.get=0.1")
    await connected(ledger, service, 1)
    for is_silent in (True, False, True):
        network.is_silent = is_silent
        if is_silent:
            with pytest.raises(RemoteTimeout) as late:
                await ledger.get(ENTRY.id)
            assert not late.value.is_undone
        else:
            assert await ledger.book(ENTRY) == ENTRY


async def test_who_serves_gives_up_with_who_asks(connect: Connect, service: Service) -> None:
    ledger = connect(remote_timeouts="ledger=30 ledger.wait_once=0.5")
    await connected(ledger, service, 1)
    with pytest.raises(RemoteTimeout):
        await ledger.wait_once(1)
    await reached(service, 1)
    await asyncio.sleep(0.6)
    assert (service.calls, service.ended) == (1, 0)


async def test_a_call_takes_no_longer_than_its_caller_has(
    connect: Connect, service: Service
) -> None:
    ledger = connect()
    with given_up_after(20):
        assert 0 < await ledger.wait_once(0) <= 20  # Told in thousandths.
    with given_up_after(0), pytest.raises(RemoteTimeout) as over:
        await ledger.wait_once(5)
    assert over.value.is_undone
    assert service.calls == 1
    with given_up_after(0.5), pytest.raises(RemoteTimeout):
        await ledger.wait_once(20)
    await reached(service, 2)
    assert service.ended == 1


async def test_callers_with_no_time_do_not_shut_others_out(
    connect: Connect, service: Service
) -> None:
    ledger = connect()
    await connected(ledger, service, 10)
    for _ in range(10):
        with given_up_after(0.005), pytest.raises(RemoteTimeout):
            await ledger.wait_once(1)
    assert await ledger.wait_once(0) > 0


async def broken_off(
    network: Network, service: Service, asked: Awaitable[object]
) -> asyncio.Task[object]:
    """Break the connection while the service works, which does not end before it may."""
    service.may_end.clear()
    task = asyncio.ensure_future(asked)
    await reached(service, 1)
    network.reset()
    return task


async def test_only_what_is_idempotent_is_asked_again(
    connect: Connect, network: Network, service: Service
) -> None:
    ledger = connect()
    with pytest.raises(RemoteUnavailable) as lost:
        await (await broken_off(network, service, ledger.wait_once(0)))
    assert not lost.value.is_undone
    assert service.calls == 1
    service.calls = 0
    asked = await broken_off(network, service, ledger.wait(0))
    await reached(service, 2)
    service.may_end.set()
    assert await asked
    assert service.calls == 2


def test_a_connection_that_is_reset_as_it_is_made_is_no_answer(network: Network) -> None:
    """Also on the event loop of `app serve`, and where that is busy meanwhile."""
    network.is_closed = True
    url = httpx.URL(f"http://127.0.0.1:{network.port}/")

    async def keep_busy() -> None:
        while True:
            time.sleep(0.003)  # noqa: ASYNC251
            await asyncio.sleep(0)

    async def post() -> list[object]:
        busy, exchange = asyncio.create_task(keep_busy()), Exchange(str(url))
        posts = (exchange.post(url, {}, b"{}", 60) for _ in range(30))
        failed = await asyncio.gather(*posts, return_exceptions=True)
        busy.cancel()
        await exchange.close()
        return list(failed)

    assert {type(each) for each in uvloop.run(post())} == {UnansweredError}


@pytest.mark.parametrize("bytes", [1, 15, 80])
async def test_half_an_answer_is_none(
    connect: Connect, network: Network, service: Service, bytes: int
) -> None:
    ledger = connect()
    network.cut_after = bytes
    with pytest.raises(RemoteUnavailable):
        await ledger.book(ENTRY)
    assert service.calls == 1
    with pytest.raises(RemoteUnavailable):
        await ledger.wait(0)
    assert service.calls == 1 + 3
    network.cut_after = None
    assert await ledger.book(ENTRY) == ENTRY


JSON, PROBLEM = "application/json", "application/problem+json"


def says(status: str, body: str, kind: str = JSON, *more: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", *more)
    return "\r\n".join((*lines, "", body)).encode()


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (b"\x00\xff garbage\r\n\r\n", RemoteUnavailable, "not reachable"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", RemoteUnavailable, "not reachable"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 50_000, RemoteUnavailable, "not reachable"),
        (says("200 OK", "<html>", "text/html"), RemoteUnavailable, "answers 200"),
        (says("200 OK", "not json"), RemoteUnavailable, "answers 200"),
        (says("200 OK", '{"id":"x"}'), RemoteMismatch, "cannot read"),
        (says("200 OK", "null"), RemoteMismatch, "cannot read"),
        (says("200 OK", "x", JSON, "content-encoding: gzip"), RemoteUnavailable, "answers 200"),
        (says("204 No Content", ""), RemoteUnavailable, "answers 204"),
        (
            says("302 Found", "", "text/html", "location: http://127.0.0.1:1/"),
            RemoteUnavailable,
            "302",
        ),
        (says("401 Unauthorized", "{}"), RemoteUnavailable, "REMOTE_KEYS differ there"),
        (says("404 Not Found", "{}"), RemoteUnavailable, "answers 404"),
        (says("422 Odd", '{"errors": 7}', PROBLEM), RemoteError, "failed there"),
        (says("418 Odd", '{"detail": "tea"}', PROBLEM), RemoteError, "failed there: tea"),
        (says("500 Error", "<html>", "text/html"), RemoteError, "failed there"),
        (says("502 Bad Gateway", "<html>", "text/html"), RemoteUnavailable, "answers 502"),
        (says("503 Away", '"odd"', PROBLEM), RemoteUnavailable, "answers 503"),
        (says("200 OK", " " * 10_000_001), RemoteUnavailable, "more than 10000000 bytes"),
    ],
)
async def test_what_is_no_answer_of_ours_is_an_error_of_one_kind(
    connect: Connect, answer: bytes, kind: type[RemoteError], said: str
) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    async with server:
        ledger = connect(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(RemoteError, match=said) as caught:
            await ledger.book(ENTRY)
        assert type(caught.value) is kind


class NewerLedger(Protocol):
    """What the caller's release calls, and the service's does not know."""

    async def book(self, entry: Entry, note: str = "") -> Entry: ...

    async def charge(self, owner: str, amount: float) -> None: ...

    async def get(self, id: str) -> Entry: ...

    async def settle(self) -> None: ...


async def test_an_older_service_does_nothing_that_it_does_not_understand(
    connect: Connect, service: Service
) -> None:
    ledger: Any = connect(interface=NewerLedger)
    for asked, said in [
        (ledger.book(ENTRY, note="x"), r"ledger\.book of the release .* does not take .*: note: "),
        (ledger.get("7"), r"ledger\.get of the release .* does not take .*: id: "),
        (ledger.settle(), r"ledger\.settle is not served here"),
    ]:
        with pytest.raises(RemoteMismatch, match=said) as older:
            await asked
        assert older.value.is_undone
    assert service.calls == 0
    assert await ledger.book(ENTRY) == ENTRY  # Whoever asks for nothing new is served.


async def test_a_method_with_tx_is_not_served(connect: Connect) -> None:
    class Bold(Protocol):
        async def refund(self, id: UUID) -> Entry: ...

    ledger: Any = connect(interface=Bold)
    with pytest.raises(RemoteMismatch, match=r"ledger\.refund is not served here"):
        await ledger.refund(uuid4())


async def test_while_its_data_move_a_service_is_away_and_says_whether_anything_was_done(
    connect: Connect,
) -> None:
    class Moving(Service):
        async def wait_once(self, seconds: float) -> float:
            if seconds:
                has_committed()
            raise HeldError("The data of ledger have been moving for longer than …")

    with running(served(Moving())) as port:
        ledger = connect(f"http://127.0.0.1:{port}")
        for seconds in (0.0, 1.0):
            with pytest.raises(RemoteUnavailable, match="its data are being moved") as refused:
                await ledger.wait_once(seconds)
            assert refused.value.is_undone is not bool(seconds)


async def test_another_key_is_refused_and_nothing_done(connect: Connect, service: Service) -> None:
    other = "new:" + "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg="
    with pytest.raises(RemoteUnavailable) as refused:
        await connect(remote_keys=other).book(ENTRY)
    assert refused.value.reason == "keys"
    assert service.calls == 0
    old = KEYS.split()[1]
    assert await connect(remote_keys=old).book(ENTRY) == ENTRY


async def test_what_is_too_large_is_said(connect: Connect, service: Service) -> None:
    large = Entry(ENTRY.id, Kind.CHARGE, Decimal(1), bytes(1_000_000))
    with pytest.raises(RemoteError, match="The body is larger than 1000000 bytes") as refused:
        await connect().book(large)
    assert (refused.value.reason, service.calls) == ("size", 0)


async def test_who_is_cancelled_ends_at_once_and_counts_for_nothing(
    connect: Connect, service: Service
) -> None:
    ledger = connect(remote_concurrency=1)
    for _ in range(10):
        task = asyncio.ensure_future(ledger.wait_once(1))
        service.calls = 0
        while not service.calls:
            await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await ledger.book(ENTRY) == ENTRY
    assert await ledger.wait_once(0) > 0


async def test_at_most_so_many_wait_for_a_module(connect: Connect, service: Service) -> None:
    ledger = connect(remote_concurrency=2)

    async def two_of_a_kind() -> None:
        """A task may hold several."""
        await asyncio.gather(ledger.wait(0), ledger.wait(0))

    service.may_end.clear()
    running = asyncio.ensure_future(two_of_a_kind())
    await reached(service, 2)
    with pytest.raises(RemoteRefused, match="2 calls of ledger run") as full:
        await ledger.book(ENTRY)
    assert (full.value.reason, full.value.is_undone) == ("full", True)
    assert not running.done()  # Refused at once.
    service.may_end.set()
    await running
    assert await ledger.book(ENTRY) == ENTRY


@pytest.mark.parametrize("off", ["ledger", "ledger.book ledger.get"])
async def test_what_is_off_is_not_asked(connect: Connect, network: Network, off: str) -> None:
    with pytest.raises(
        RemoteRefused, match=r"ledger\.book is switched off by REMOTE_OFF"
    ) as refused:
        await connect(remote_off=off).book(ENTRY)
    assert (refused.value.reason, network.connections) == ("off", 0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """That of the breakers."""
    clock = Clock()
    monkeypatch.setattr(calling, "Breaker", partial(Breaker, clock=clock))
    return clock


async def test_a_method_that_fails_is_left_alone_and_others_are_not(
    connect: Connect, service: Service, clock: Clock
) -> None:
    ledger = connect(remote_timeouts="ledger=30 ledger.wait_once=0.3")
    await connected(ledger, service, 5)
    for _ in range(5):
        with pytest.raises(RemoteTimeout):
            await ledger.wait_once(1)
    for _ in range(20):
        with pytest.raises(RemoteRefused, match="is left alone") as refused:
            await ledger.wait_once(0)
    await reached(service, 5)
    assert (refused.value.reason, service.calls) == ("open", 5)
    assert await ledger.book(ENTRY) == ENTRY
    assert isinstance(await asked_until_answered(ledger, clock), float)


async def asked_until_answered(ledger: Ledger, clock: Clock) -> float:
    while True:
        clock.now += REMOTE_AWAY
        try:
            return await ledger.wait_once(0)
        except RemoteError:
            await asyncio.sleep(0.05)


async def test_errors_of_the_interface_and_of_the_code_leave_it_closed(
    connect: Connect, service: Service
) -> None:
    ledger = connect()
    for _ in range(7):
        with pytest.raises(RemoteError, match="failed there"):
            await ledger.fail()
        with pytest.raises(Declined):
            await ledger.charge("ada", Decimal(1))
    assert service.calls == 14


@pytest.mark.usefixtures("clock")
async def test_who_is_down_is_asked_three_times_at_most(
    connect: Connect, network: Network, service: Service
) -> None:
    """And once five attempts have failed, not at all: 50 callers make five, not 150."""
    ledger = connect()
    network.cut_after = 1
    for _ in range(50):
        with pytest.raises(RemoteError):
            await ledger.get(ENTRY.id)
    assert service.calls == 5


async def test_a_value_that_cannot_be_stored_shuts_nobody_out(connect: Connect) -> None:
    """Whoever sends it could otherwise close the method to all."""
    ledger = connect()
    for _ in range(7):
        with pytest.raises(DomainError, match="A text holds a character that cannot be stored"):
            await ledger.charge("\0", Decimal(1))
    assert await ledger.book(ENTRY) == ENTRY


class Shop(Protocol):
    async def order(self) -> Sequence[str]: ...


@contextmanager
def between(address: str) -> Iterator[str]:
    """A service of another module, which asks the ledger on each call."""
    wired, _ = wired_to(address)

    class ShopService:
        async def order(self) -> Sequence[str]:
            return await wired[Ledger].wait(0)

    with running(served(ShopService(), Shop)) as port:
        yield f"http://127.0.0.1:{port}"


async def test_only_the_first_of_a_chain_tries_again(
    connect: Connect, network: Network, service: Service
) -> None:
    network.cut_after = 1
    with between(f"http://127.0.0.1:{network.port}") as address:
        shop: Any = connect(address, interface=Shop)
        with pytest.raises(RemoteUnavailable, match=r"ledger\.wait is not reachable") as lost:
            await shop.order()
    assert (lost.value.module, service.calls) == ("ledger", 1)


async def test_a_process_that_stops_answers_what_it_has_begun(service: Service) -> None:
    with running(served(service)) as port:
        wired, remote = wired_to(f"http://127.0.0.1:{port}")
        service.calls = 0
        task = asyncio.ensure_future(wired[Ledger].wait(0.3))
        while not service.calls:
            await asyncio.sleep(0.005)
    assert await task
    with pytest.raises(RemoteUnavailable) as gone:
        await wired[Ledger].book(ENTRY)
    assert gone.value.is_undone
    await remote.close()
