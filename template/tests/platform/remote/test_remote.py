"""One process calls a module in another, as if it was its own."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from app.platform.database.reading import _request, committed_ago, has_committed, reading_primary
from app.platform.errors import RemoteError, RemoteRefused, RemoteTimeout
from app.platform.telemetry import begin_parts, has_written
from app.platform.telemetry.context import add, begin_request
from app.platform.wiring.boundary import ArgumentsError, CallError

from .conftest import Connect
from .ledger import Declined, Entry, EntryNotFound, Kind, Service
from .network import Network


async def test_values_come_back_as_they_were_sent(connect: Connect) -> None:
    entry = Entry(uuid4(), Kind.CHARGE, Decimal("1.10"), b"\xff\x00")
    assert await connect().book(entry, tags={uuid4(): 1}) == entry


async def test_an_error_of_the_interface_arrives_as_itself(connect: Connect) -> None:
    ledger = connect()
    with pytest.raises(EntryNotFound, match="There is no entry 0"):
        await ledger.get(UUID(int=0))
    with pytest.raises(Declined) as caught:
        await ledger.charge("ada", Decimal(3))
    assert (str(caught.value), caught.value.owner, caught.value.left) == (
        "ada has 7 left.",
        "ada",
        7,
    )


async def test_any_other_error_stays_there(connect: Connect, service: Service) -> None:
    with pytest.raises(RemoteError) as caught:
        await connect().fail()
    assert "of the ledger alone" not in str(caught.value)
    assert caught.value.reason == "failed"
    assert service.calls == 1


async def test_request_and_principal_go_along(connect: Connect, service: Service) -> None:
    begin_request("request-7")
    add(**{"user.id": "adä |1"})
    assert await connect().wait(0) == ["request-7", "adä |1"]
    assert service.said["module"] == "ledger"


async def test_a_call_that_does_not_fit_is_the_callers_mistake(connect: Connect) -> None:
    with pytest.raises(ArgumentsError, match=r"ledger\.get: missing a required argument"):
        await connect().get()  # type: ignore[call-arg]


async def test_a_method_with_tx_says_what_to_do(connect: Connect) -> None:
    with pytest.raises(CallError, match="pass `tx` first"):
        await connect().refund(None, uuid4())  # type: ignore[arg-type]


async def test_what_was_committed_before_a_call_is_seen_there(connect: Connect) -> None:
    assert await connect().write() is None
    token = _request.set(None)
    has_committed()
    ago = await connect().write()
    assert ago is not None
    assert 0 <= ago < 60
    with reading_primary():
        assert await connect().write() is not None
    _request.reset(token)


async def test_what_a_call_has_committed_is_seen_here_and_by_who_answers(connect: Connect) -> None:
    begin_parts()
    ledger = connect()
    await ledger.wait(0)
    assert (committed_ago(), has_written()) == (None, False)
    await ledger.write()
    assert committed_ago() is not None
    assert has_written()


async def test_what_may_have_been_committed_counts_as_if_it_was(
    connect: Connect, network: Network
) -> None:
    begin_parts()
    ledger = connect(remote_timeouts="ledger=30 ledger.wait_once=0.5", remote_off="ledger.book")
    await ledger.wait(0)  # There is a connection: what is sent next may arrive.
    network.is_silent = True
    with pytest.raises(RemoteRefused):
        await ledger.book(Entry(uuid4(), Kind.CHARGE, Decimal(1)))
    assert not has_written()
    with pytest.raises(RemoteTimeout):
        await ledger.wait_once(0)
    assert has_written()
