"""Who answers other processes: to whom, and what is told of it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import httpx
import pytest
from opentelemetry.trace import SpanKind
from prometheus_client import REGISTRY

from app.platform.database.engine import create_engine
from app.platform.errors import RemoteError, RemoteRefused, RemoteUnavailable
from app.platform.remote import serve_modules
from app.platform.remote.signing import claims, Headers, Signer
from app.platform.remote.told import REASONS
from app.platform.settings import parse_keys
from app.platform.telemetry.context import place
from app.platform.telemetry.traces import Span, tracing
from app.platform.web.http import create_api
from app.platform.wiring.moved_toml import Move
from app.platform.wiring.observing import observe_call
from app.platform.wiring.wiring import wire

from .conftest import Connect, folder_of, KEYS, running, served, settings_with
from .ledger import Ledger, Service
from .network import Network

WAIT = "/_modules/ledger/wait"


def signed(path: str = WAIT, body: bytes = b'{"seconds":0}', **more: Any) -> Headers:
    said = claims("request-7", "ada", 20, None) | {k.replace("_", "-"): v for k, v in more.items()}
    return Signer(parse_keys(KEYS)).sign(path, body, said)


@pytest.fixture
async def http(port: int, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    service.calls = 0
    service.may_end.set()
    async with calling(port) as client:
        yield client


def calling(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


async def test_a_signed_call_needs_no_token_and_passes_once(
    http: httpx.AsyncClient, service: Service
) -> None:
    """Whose proxy repeats it is not told that nothing was done."""
    headers = signed()
    first = await http.post(WAIT, content=b'{"seconds":0}', headers=headers)
    assert (first.status_code, first.json()) == (200, ["request-7", "ada"])
    assert first.headers["x-request-id"] == "request-7"
    again = await http.post(WAIT, content=b'{"seconds":0}', headers=headers)
    told = again.json()
    assert (again.status_code, told["reason"], told["is_undone"]) == (503, "repeated", False)
    assert "a proxy on the way repeats calls" in told["detail"]
    assert service.calls == 1


@pytest.mark.parametrize(
    "change",
    [
        dict,
        lambda: {"headers": {"authorization": "Bearer x"}},
        lambda: {"headers": signed() | {"x-principal": "eve"}},
        lambda: {"headers": signed(), "params": {"seconds": "0"}},
        lambda: {"headers": signed(), "content": b'{"seconds":9}'},
        lambda: {"headers": signed("/_modules/ledger/fail")},
    ],
)
async def test_what_is_not_signed_learns_nothing(
    http: httpx.AsyncClient, service: Service, change: Callable[[], dict[str, object]]
) -> None:
    answers = set()
    for path in (WAIT, "/_modules/ledger/nothing", "/_modules/nobody/wait", "/_modules/"):
        asked = {"content": b'{"seconds":0}', **change()}
        refused = await http.post(path, **asked)  # type: ignore[arg-type]
        answers.add((refused.status_code, refused.text))
    assert len(answers) == 1
    assert answers.pop()[0] == 401
    assert (await http.get(WAIT, headers=signed())).status_code == 401
    assert service.calls == 0


async def test_it_is_told_once_in_a_while_who_could_not_sign(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running(served(Service())) as port, caplog.at_level(logging.WARNING, "app.remote"):
        async with calling(port) as http:
            for _ in range(5):
                await http.post(WAIT, content=b"{}")
    (line,) = [each.message for each in caplog.records if each.name == "app.remote"]
    assert line == "A call from 127.0.0.1 was refused by its signature: it is not signed."


async def test_without_keys_nothing_is_served() -> None:
    settings = settings_with(remote_keys="")
    api = create_api({}, None, settings, create_engine(settings))  # type: ignore[arg-type]
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        refused = await http.post(WAIT, content=b'{"seconds":0}', headers=signed())
        assert refused.json()["detail"] == "A bearer token is needed."


async def test_neither_rates_nor_shares_of_callers_hold_for_it() -> None:
    api = served(Service(), rate_limit=0.1, request_concurrency_per_caller=1)
    with running(api) as port:
        async with calling(port) as http:
            asked = [http.post(WAIT, content=b'{"seconds":0}', headers=signed()) for _ in range(20)]
            assert {each.status_code for each in await asyncio.gather(*asked)} == {200}


async def test_the_limits_of_a_process_hold_for_it(service: Service) -> None:
    service.may_end.clear()
    with running(served(service, request_concurrency=1)) as port:
        async with calling(port) as http:
            body = b'{"seconds":0}'
            headers = [signed(body=body) for _ in range(3)]
            asked = [
                asyncio.ensure_future(http.post(WAIT, content=body, headers=h)) for h in headers
            ]
            async with asyncio.timeout(30):
                while sum(each.done() for each in asked) < 2:
                    await asyncio.sleep(0.005)
            service.may_end.set()
            found = await asyncio.gather(*asked)
    assert sorted(each.status_code for each in found) == [200, 503, 503]


@pytest.mark.parametrize("name", ["x_call_timeout", "x_committed_ago"])
@pytest.mark.parametrize("seconds", ["x", "-1.000", "1e9", "9999999999.000", "nan", "1"])
async def test_odd_seconds_are_refused(
    http: httpx.AsyncClient, service: Service, name: str, seconds: str
) -> None:
    given: dict[str, Any] = {name: seconds}
    headers = signed(**given)
    refused = await http.post(WAIT, content=b'{"seconds":0}', headers=headers)
    assert (refused.status_code, refused.json()["reason"], service.calls) == (400, "mismatch", 0)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"seconds":null}'])
async def test_an_odd_body_is_refused(
    http: httpx.AsyncClient, service: Service, body: bytes
) -> None:
    refused = await http.post(WAIT, content=body, headers=signed(body=body))
    assert (refused.status_code, refused.json()["reason"], service.calls) == (400, "mismatch", 0)


async def test_a_deadline_that_passes_is_told(http: httpx.AsyncClient, service: Service) -> None:
    body, asked = b'{"seconds":5}', 0
    while not service.calls:  # Its time may be over before it is called.
        asked += 1
        headers = signed(body=body, x_call_timeout="0.050")
        late = await http.post(WAIT, content=body, headers=headers)
        assert (late.status_code, late.json()["reason"]) == (504, "timeout")
        assert asked < 50
    assert service.calls == 1


async def test_the_log_of_who_answers_says_why_a_call_came_to_nothing(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    late, odd = b'{"seconds":5}', b'{"minutes":5}'
    with caplog.at_level(logging.INFO, "app.requests"):
        await http.post(WAIT, content=late, headers=signed(body=late, x_call_timeout="0.050"))
        await http.post(WAIT, content=odd, headers=signed(body=odd))
        async with asyncio.timeout(30):
            while len(caplog.records) < 2:
                await asyncio.sleep(0.01)
    told = [vars(each) for each in caplog.records if each.name == "app.requests"]
    assert {each["levelname"] for each in told} == {"WARNING"}
    given_up, refused = [each["exception.message"] for each in told]
    assert given_up == "ledger.wait was given up, as its caller has"
    assert "does not take what was sent: " in refused


async def test_requests_of_a_module_are_told_by_its_methods(connect: Connect) -> None:
    labels = {"module": "ledger", "http_route": WAIT, "http_request_method": "POST"}
    labels["http_response_status_code"] = "200"
    before = counted("http_server_requests_total", **labels)
    await connect().wait(0)
    async with asyncio.timeout(30):  # Its answer is here before it has ended there.
        while counted("http_server_requests_total", **labels) == before:
            await asyncio.sleep(0.005)
    assert counted("http_server_requests_total", **labels) == before + 1


async def test_errors_are_counted_by_module_and_reason(connect: Connect) -> None:
    def told(reason: str) -> float:
        return counted("remote_errors_total", module="ledger", method="wait", reason=reason)

    off, mismatch = told("off"), told("mismatch")
    with pytest.raises(RemoteError):
        await connect(remote_off="ledger").wait(0)
    with pytest.raises(RemoteError):
        await connect().wait("soon")  # type: ignore[arg-type]
    assert (told("off"), told("mismatch")) == (off + 1, mismatch + 1)


async def test_all_that_may_be_counted_is_there_from_the_start(connect: Connect) -> None:
    connect()
    for reason in REASONS:
        labels = {"module": "ledger", "method": "fail", "reason": reason}
        assert REGISTRY.get_sample_value("remote_errors_total", labels) is not None, reason
    kinds: list[type[RemoteError]] = [RemoteError, *RemoteError.__subclasses__()]
    assert {each.reason for each in kinds} <= set(REASONS)


async def test_a_breaker_is_seen_from_outside(
    connect: Connect,
    network: Network,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And told of once, however many calls come to nothing at the same time."""

    def is_open() -> float:
        return counted("remote_breaker_open", module="ledger", method="wait")

    monkeypatch.setattr("app.platform.remote.calling.REMOTE_AWAY", 0.1)
    ledger = connect()
    assert is_open() == 0
    network.is_closed = True
    with caplog.at_level(logging.INFO, "app.remote"):
        calls = (ledger.wait(0) for _ in range(9))
        assert {type(each) for each in await asyncio.gather(*calls, return_exceptions=True)} <= {
            RemoteUnavailable,
            RemoteRefused,
        }
        assert is_open() == 1
        network.is_closed = False
        while is_open():
            await asyncio.sleep(0.05)
            try:
                await ledger.wait(0)
            except RemoteError:
                continue
    opened, closed = [each.message for each in caplog.records if each.name == "app.remote"]
    assert opened.startswith(
        "ledger.wait failed 5 times in a row, and is left alone; every 0.1 s one call tries. Last: "
    )
    assert closed == "ledger.wait answers again."
    assert capsys.readouterr().out == ""  # Where stamina prints its retries.


async def test_a_trace_goes_on_there(connect: Connect) -> None:
    spans: list[Span] = []
    with tracing.on(lambda span, _ended: spans.append(span), 1):
        token = place.set(root := Span(7, None, "here", SpanKind.INTERNAL, {}))
        await connect().wait(0)
        place.reset(token)
        async with asyncio.timeout(30):  # Its answer is here before the span has ended there.
            while len(spans) < 4:
                await asyncio.sleep(0.005)
    server = next(each for each in spans if each.kind is SpanKind.SERVER)
    client = next(each for each in spans if each.kind is SpanKind.CLIENT)
    there, here = (each for each in spans if each.name == "ledger.wait")
    assert {each.trace_id for each in spans} == {7}
    line = [there, server, client, here, root]
    for each, above in pairwise(line):
        assert each.parent is not None
        assert each.parent.span_id == above.span_id
    assert (client.name, client.attributes["module"]) == (f"POST {WAIT}", "ledger")
    assert (server.name, server.attributes["module"]) == (f"POST {WAIT}", "ledger")


async def test_who_has_not_signed_names_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "192.0.2.1")  # And so not whoever asks here.
    transport = httpx.ASGITransport(served(Service()))
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        body, headers = b'{"seconds":0}', signed()
        refused = await http.post(WAIT, content=body, headers={"x-request-id": "request-7"})
        assert refused.headers["x-request-id"] != "request-7"
        believed = await http.post(WAIT, content=body, headers=headers)
        assert believed.headers["x-request-id"] == "request-7"
        assert believed.json() == ["request-7", "ada"]


async def test_a_module_answers_to_the_name_that_it_had() -> None:
    rename = Move("rename", "book", date(2026, 1, 1), "ledger")
    folders = [replace(folder_of(_build), renamed=rename)]
    settings = settings_with()
    engine = create_engine(settings)
    wired = wire(folders, engine, instrument=observe_call)
    calls = serve_modules(settings, wired, folders)
    api = create_api({}, _nothing, settings, engine, calls=calls)
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        for path in (WAIT, "/_modules/book/wait"):
            answer = await http.post(path, content=b'{"seconds":0}', headers=signed(path))
            assert answer.json() == ["request-7", "ada"]


def _build() -> Ledger:
    return Service()


@asynccontextmanager
async def _nothing(_api: object) -> AsyncIterator[None]:
    yield
