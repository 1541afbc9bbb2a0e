"""One trace from a request to the job that it enqueued, as a collector receives it."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from generated import Repository
from replica import free_port
from running import bearer, eventually, in_production, serving

TRACE, CALLER = "a1" * 16, "b2" * 8
CANARY = "canary-7f3a"
Span = dict[str, Any]
Spans = Callable[[], list[Span]]


@pytest.fixture(scope="module")
def production(example: Repository, postgres: str) -> Repository:
    return in_production(example, postgres)


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[tuple[str, Spans]]:
    """A real OTLP receiver: its address, and what it has received."""
    port = free_port()
    received = tmp_path / "received"
    command = [sys.executable, "-u", "-m", "oteltap", "--port", str(port)]
    with received.open("wb") as printed:
        process = subprocess.Popen(command, stdout=printed, stderr=subprocess.STDOUT)

    def spans() -> list[Span]:
        lines = received.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    try:
        eventually(lambda: "Listening" in received.read_text())
        yield f"http://127.0.0.1:{port}", spans
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def working(production: Repository, log: Path) -> Iterator[None]:
    """`app worker`, in a process of its own."""
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [production.path / ".venv/bin/app", "worker"],
            cwd=production.path,
            env=production.environment,
            stdout=printed,
            stderr=printed,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def execute(production: Repository, statement: str) -> None:
    """Do something as the admin of the database."""

    async def do() -> None:
        admin = await asyncpg.connect(production.environment["MIGRATION_DATABASE_URL"])
        await admin.execute(statement)
        await admin.close()

    asyncio.run(do())


def attributes(span: Span) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def of_trace(spans: Spans) -> list[Span]:
    return [span for span in spans() if span["traceId"] == TRACE]


def place_order(url: str, production: Repository) -> httpx.Response:
    """Order a teapot, in the trace; what leads to it is in others."""
    headers = bearer(production, "catalog:write")
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        who = {"email": f"{CANARY}@example.org", "name": CANARY}
        customer = client.post("/identity/customers", json=who).json()["id"]
        what = {"sku": "TEAPOT", "name": CANARY, "price": "12.00"}
        product = client.post("/catalog/products", json=what).json()["id"]
        client.post(f"/catalog/products/{product}/deliveries", json={"quantity": 9})
        lines = [{"product_id": product, "quantity": 2}]
        return client.post(
            f"/ordering/orders?password={CANARY}",
            json={"customer_id": customer, "lines": lines},
            headers={
                "traceparent": f"00-{TRACE}-{CALLER}-01",
                "Cookie": f"session={CANARY}",
                "X-Api-Key": CANARY,
            },
        )


@pytest.mark.slow
def test_one_trace_leads_from_a_request_to_the_retry_of_its_job(
    production: Repository, collector: tuple[str, Spans], tmp_path: Path
) -> None:
    endpoint, spans = collector
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    traced = Repository(production.path, {**production.environment, **given})
    login = production.environment["DATABASE_URL"].split("/")[2].partition(":")[0]
    owner = f"SET ROLE {login}__ordering__owner; "
    insert = f"INSERT ON ordering.shipments {{}} {login}__ordering"
    # So that the first attempt fails.
    execute(production, f"{owner} REVOKE {insert.format('FROM')}")

    def attempts() -> list[Span]:
        found = [span for span in of_trace(spans) if span["name"] == "run ordering.open_shipment"]
        return sorted(found, key=lambda span: span["startTimeUnixNano"])

    logs = tmp_path / "serve", tmp_path / "work"
    with serving(traced, logs[0]) as (_, url), working(traced, logs[1]):
        assert place_order(url, production).status_code == 201
        eventually(attempts)
        execute(production, f"{owner} GRANT {insert.format('TO')}")
        eventually(lambda: attributes(attempts()[-1])["job.outcome"] == "done")
        metrics = "".join(
            httpx.get(address, timeout=60).text
            for log in logs
            for address in re.findall(r"http://\S+/metrics", log.read_text())
        )
    found = {span["spanId"]: span for span in of_trace(spans)}

    def path(span: Span) -> list[str]:
        """Return the names from a span up to the one that has no parent here."""
        above = found.get(span["parentSpanId"])
        return [span["name"], *(path(above) if above else [span["parentSpanId"]])]

    paths = [path(span) for span in found.values()]
    request = ["POST /ordering/orders", CALLER]
    ordering = ["ordering.place_order", *request]
    published = ["publish OrderCharged", "billing.charge", *ordering]
    attempt = ["run ordering.open_shipment", *published]
    for expected in (
        request,
        ["identity.hold_customer", *ordering],
        ["catalog.reserve", *ordering],
        ["UPDATE catalog.products", "catalog.reserve", *ordering],
        ["INSERT ordering.orders", *ordering],
        ["INSERT billing.entries", "billing.charge", *ordering],
        ["INSERT queue.pgqueuer", *published],
        ["COMMIT", *request],
        ["INSERT ordering.shipments", *attempt],
    ):
        assert expected in paths, paths
    first, *_, last = attempts()
    assert first["parentSpanId"] == last["parentSpanId"]
    told = attributes(first)
    assert (told["job.outcome"], told["job.attempt"], told["module"]) == (
        "retried",
        "1",
        "ordering",
    )
    assert (first["status"]["code"], last["status"]["code"]) == (2, 0)
    modules = {attributes(span)["module"] for span in found.values()}
    assert modules == {"ordering", "identity", "catalog", "billing"}

    written = [log.read_text() for log in logs]
    assert all(TRACE in log for log in written)
    token = bearer(production)["Authorization"].split(".")[1]
    for output in (json.dumps(spans()), metrics, *written):
        assert len(output) > 1000
        assert CANARY not in output
        assert token not in output


@pytest.mark.slow
def test_a_collector_that_is_not_there_harms_nobody(production: Repository, tmp_path: Path) -> None:
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "TRACES_SAMPLE_RATIO": "1"}
    given |= {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    traced = Repository(production.path, {**production.environment, **given, "SHUTDOWN_DELAY": "0"})
    log = tmp_path / "log"
    headers = bearer(production)
    with serving(traced, log) as (process, url), httpx.Client(base_url=url, timeout=60) as client:
        for _ in range(50):
            assert client.get("/catalog/products", headers=headers).status_code == 200
        eventually(lambda: "Traces cannot be sent" in log.read_text())
        for _ in range(50):
            assert client.get("/catalog/products", headers=headers).status_code == 200
        process.terminate()
        process.wait(30)
    said = log.read_text()
    assert said.count("Traces cannot be sent to http://127.0.0.1:9: ") == 1
    assert "Traceback" not in said
