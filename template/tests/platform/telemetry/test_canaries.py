"""What nobody may read is in no trace, no line and no metric."""

import io
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database, Tx
from app.platform.database.statement_spans import trace_statements
from app.platform.jobs.queue import enqueue, NewJob
from app.platform.jobs.worker import Worker
from app.platform.settings.settings import Settings
from app.platform.telemetry.logs import configure_logs
from app.platform.wiring.wiring import Wired

from ..looking import free_port
from ..tracing import CALLER, tracing_app

TOKEN, PASSWORD, BODY, QUERY, PATH, ARGUMENT, COOKIE, TRACE_STATE = CANARIES = [
    f"canary{number}x7f3a" for number in range(8)
]
ADDRESS = f"{BODY}@example.org"
ITEM = b'{"id": "00000000-0000-7000-8000-000000000000"}'
"""What `prepare_item` takes."""
LIBRARIES = (
    "sqlalchemy.engine",
    "sqlalchemy.engine.Engine",
    "sqlalchemy.pool",
    "sqlalchemy.orm",
    "sqlalchemy.dialects",
    "cashews.wrapper",
    "pgqueuer.qm",
    "httpx._client",
    "httpcore.http11",
    "uvicorn.error",
    "opentelemetry.sdk",
    "openfeature.contrib",
    "urllib3.connectionpool",
)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = {name: logging.getLogger(name).level for name in LIBRARIES}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


async def _violate(tx: Tx, _arguments: object) -> None:
    row = {"name": ARGUMENT}
    for _ in range(2):
        await tx.execute(
            text(
                "INSERT INTO catalog.items (owner, id, name) VALUES ('me', gen_random_uuid(), :name)"
            ),
            row,
        )


async def _read(tx: Tx, _arguments: object) -> None:
    """Get a row and fail, so that the transaction comes to nothing."""
    await tx.execute(text("SELECT CAST(:given AS text), 17").bindparams(given=ARGUMENT))
    raise RuntimeError("Nothing was done.")


async def _misfit(tx: Tx, _arguments: object) -> None:
    await tx.execute(text("SELECT CAST(:given AS integer)").bindparams(given=ARGUMENT))


async def _inline(tx: Tx, _arguments: object) -> None:
    await tx.execute(text(f"SELECT '{ARGUMENT}', 1 / 0"))


async def _tell(_tx: Tx, _arguments: object) -> None:
    raise ValueError(f"cannot reach https://ada:{PASSWORD}@shop.example.com?{QUERY}=1, {ADDRESS}")


async def ask(client: httpx.AsyncClient, token: str) -> set[int]:
    """Send secrets wherever a request can hold some; return how that was answered."""
    headers = {
        "Cookie": f"session={COOKIE}",
        "X-Password": PASSWORD,
        "traceparent": CALLER,
        "tracestate": f"shop={TRACE_STATE}",
    }
    answers = [
        await client.get(f"/catalog/items?q={QUERY}&password={PASSWORD}", headers=headers),
        await client.get(f"/catalog/items/{PATH}?token={TOKEN}", headers=headers),
        await client.get(f"/{PATH}/nowhere", headers=headers),
        await client.request(PATH.upper(), "/catalog/items", headers=headers),
        *[
            await client.post("/catalog/items", json=body, headers=headers)
            for body in (
                {"name": BODY, "password": PASSWORD},
                {"name": BODY},  # Taken.
                {"name": [BODY], BODY: {"password": PASSWORD}},
                {"name": f"{BODY}\0"},
            )
        ],
        await client.post("/catalog/items", content=f'{{"name": "{BODY}"', headers=headers),
        await client.get("/catalog/items", headers={"Authorization": f"Bearer {TOKEN}"}),
        await client.get("/catalog/items", headers={"Authorization": f"Bearer {token}{TOKEN}"}),
        await client.get("/catalog/items", headers={"Authorization": f"Basic {PASSWORD}"}),
        await client.get("/catalog/items", headers={"X-Request-ID": f"{TOKEN} {PASSWORD}"}),
    ]
    return {answer.status_code for answer in answers}


@pytest.mark.parametrize("job", [None, _violate, _read, _misfit, _inline, _tell])
async def test_nothing_that_is_secret_is_told(
    settings: Settings,
    engine: AsyncEngine,
    wired: Wired,
    bearer: Callable[..., dict[str, str]],
    job: Callable[..., Awaitable[None]] | None,
) -> None:
    port = free_port()
    headers = bearer("me")
    given = settings.model_copy(
        update={
            "metrics_port": port,
            "log_level": "debug",
            "log_levels": " ".join(f"{name}=debug" for name in LIBRARIES),
        }
    )
    log = io.StringIO()
    trace_statements([engine.sync_engine])
    async with tracing_app(given, headers) as (client, traces):
        configure_logs(given.model_copy(update={"environment": "production"}), log)
        if job is None:
            assert await ask(client, headers["Authorization"]) >= {
                200,
                201,
                401,
                404,
                405,
                409,
                422,
            }
        else:
            bound = replace(wired.jobs["catalog.prepare_item"], function=job)
            async with Database(engine, "catalog").transaction() as tx:
                arguments = json.dumps({"password": PASSWORD, "unknown": ARGUMENT}).encode()
                await enqueue(tx, [NewJob(bound.name, ITEM), NewJob(bound.name, arguments)])
            with pytest.raises(Exception, match=r"\S"):
                await Worker(settings, engine, {bound.name: bound}).run_due()
        async with httpx.AsyncClient(timeout=60) as prometheus:
            metrics = (await prometheus.get(f"http://127.0.0.1:{port}/metrics")).text
        for handler in logging.getLogger().handlers:
            handler.flush()
    spans = "".join(each.to_json() for each in traces.spans())
    for output in (spans, log.getvalue(), metrics):
        assert len(output) > 1000
        found = [canary for canary in CANARIES if canary in output.lower()]
        assert not found, [line for line in output.splitlines() if found[0] in line.lower()]
        assert headers["Authorization"].split(".")[1] not in output
