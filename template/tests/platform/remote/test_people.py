"""What people are told where a module in another process fails them."""

import logging
from collections.abc import Callable

import pytest
from fastapi import APIRouter
from httpx import ASGITransport, AsyncClient, Response
from prometheus_client import REGISTRY

from app.platform.database.engine import create_engine
from app.platform.errors import (
    RemoteError,
    RemoteMismatch,
    RemoteRefused,
    RemoteTimeout,
    RemoteUnavailable,
)
from app.platform.telemetry import note_commit, Objectives
from app.platform.web.http import create_api

from .conftest import Connect, settings_with
from .ledger import Ledger
from .network import Network

Bearer = Callable[..., dict[str, str]]


async def ask(
    method: str,
    bearer: Bearer,
    error: Exception | None,
    ledger: Ledger | None = None,
    *,
    has_written: bool = False,
) -> Response:
    """Ask something of an application whose route raises an error, or asks the ledger."""
    router = APIRouter()

    @router.api_route("/", methods=["GET", "POST"])
    async def fail() -> None:
        if has_written:
            note_commit()
        if ledger is not None:
            await ledger.wait(0)
        assert error is not None
        raise error

    settings = settings_with()
    objectives = {name: Objectives() for name in ("shop", "ledger")}
    api = create_api({"shop": router}, None, settings, create_engine(settings), objectives)  # type: ignore[arg-type]
    async with AsyncClient(transport=ASGITransport(api), base_url="http://app") as client:
        return await client.request(method, "/shop/", headers=bearer("ada"))


def unavailable(**more: bool) -> RemoteError:
    return RemoteUnavailable("secret", "ledger", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "error", "status", "wait"),
    [
        ("GET", unavailable(), 503, "1"),
        ("POST", unavailable(), 503, None),
        ("POST", unavailable(is_undone=True), 503, "1"),
        ("GET", RemoteTimeout("secret", "ledger"), 504, None),
        ("POST", RemoteTimeout("secret", "ledger"), 504, None),
        ("POST", RemoteRefused("secret", "ledger", is_undone=True, wait=8), 503, "8"),
        ("POST", RemoteMismatch("secret", "ledger"), 503, None),
        ("POST", ExceptionGroup("", [unavailable(is_undone=True)]), 503, "1"),
    ],
)
async def test_who_may_ask_again_is_told_so_and_nobody_else(
    bearer: Bearer, method: str, error: Exception, status: int, wait: str | None
) -> None:
    answer = await ask(method, bearer, error)
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, wait)
    assert "secret" not in answer.text


async def test_nobody_asks_again_for_what_is_half_done(bearer: Bearer) -> None:
    answer = await ask("POST", bearer, unavailable(is_undone=True), has_written=True)
    assert "retry-after" not in answer.headers
    assert "Part of the request may be done" in answer.json()["detail"]


async def test_the_module_that_is_away_is_the_one_to_blame(
    bearer: Bearer, connect: Connect, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    def failed(module: str) -> float:
        return (
            REGISTRY.get_sample_value("slo_requests_total", {"module": module, "outcome": "failed"})
            or 0
        )

    before = failed("ledger"), failed("shop")
    network.is_closed = True
    with caplog.at_level(logging.INFO, "app.requests"):
        assert (await ask("GET", bearer, None, connect())).status_code == 503
    assert (failed("ledger"), failed("shop")) == (before[0] + 1, before[1])
    (line,) = [each for each in caplog.records if each.name == "app.requests"]
    assert "ledger.wait is not reachable" in vars(line)["exception.message"]
