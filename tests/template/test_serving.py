"""`app serve`, as in production: several processes, stopped while they work."""

import asyncio
import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from generated import Repository
from running import bearer, eventually, in_production, serving

ITEMS = "/catalog/items"
get = partial(httpx.get, timeout=60)


@pytest.fixture(scope="module")
def production(shop: Repository, postgres: str) -> Repository:
    """The shop with a database, a login and settings of its own, as the README describes them."""
    return in_production(shop, postgres)


@pytest.fixture
def server(production: Repository, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Two serving processes: the one that leads, and their address."""
    # A statement may wait for as long as a test takes to look.
    patient = {**production.environment, "DATABASE_STATEMENT_TIMEOUT": "25"}
    with serving(Repository(production.path, patient), tmp_path / "log", 2) as served:
        yield served


def test_a_request_that_runs_at_sigterm_comes_to_its_end(
    production: Repository, server: tuple[subprocess.Popen[bytes], str]
) -> None:
    process, url = server
    asyncio.run(stop_while_working(production, process, url))
    assert process.wait(60) in (0, -signal.SIGTERM)


def test_a_request_that_is_pipelined_begins_in_nothing_of_the_one_before_it(
    production: Repository, server: tuple[subprocess.Popen[bytes], str]
) -> None:
    _, url = server
    caller, body = bearer(production), {"name": uuid4().hex}
    keyed = caller | {"Idempotency-Key": uuid4().hex}
    first = httpx.Request("POST", url + ITEMS, headers=keyed, json=body)
    second = httpx.Request("POST", url + ITEMS, headers=caller, json={"name": uuid4().hex})
    with socket.create_connection((first.url.host, first.url.port)) as connection:
        connection.sendall(raw(first) + raw(second, b"Connection: close"))
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 201") == 2
    again = httpx.post(url + ITEMS, headers=keyed, json=body, timeout=60)
    assert (again.status_code, again.headers.get("idempotent-replayed")) == (201, "true")


def raw(request: httpx.Request, *more: bytes) -> bytes:
    """Return a request as it is sent."""
    lines = [b"%s: %s" % each for each in request.headers.raw]
    start = f"{request.method} {request.url.path} HTTP/1.1".encode()
    return b"\r\n".join([start, *lines, *more, b"", request.content])


async def stop_while_working(
    production: Repository, process: subprocess.Popen[bytes], url: str
) -> None:
    login = await asyncpg.connect(production.environment["DATABASE_URL"])
    role = production.environment["DATABASE_URL"].split("/")[2].partition(":")[0]
    name = uuid4().hex
    async with httpx.AsyncClient(base_url=url, timeout=60, headers=bearer(production)) as client:
        holding = login.transaction()
        await holding.start()
        await login.execute(f"SET LOCAL ROLE {role}__catalog")
        await login.execute(
            "INSERT INTO catalog.items (owner, id, name) VALUES ('me', $1, $2)", uuid4(), name
        )
        # The index makes the same name wait until this transaction ends.
        running = asyncio.create_task(client.post(ITEMS, json={"name": name}))
        await waits(production.environment["DATABASE_URL"])
        process.send_signal(signal.SIGTERM)
        await refuses(url)
        assert not running.done()
        await holding.rollback()
        assert (await running).status_code == 201
    await login.close()


async def waits(url: str) -> None:
    """Wait until somebody waits for a lock."""
    watching = await asyncpg.connect(url)
    async with asyncio.timeout(60):
        while not await watching.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.02)
    await watching.close()


async def refuses(url: str) -> None:
    """Wait until nobody accepts connections any more."""
    async with asyncio.timeout(60):
        while True:
            try:
                async with httpx.AsyncClient() as client:
                    await client.get(f"{url}/healthz", timeout=1)
            except httpx.ConnectError:
                return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("processes", [1, 2], ids=["one process", "two processes"])
def test_it_says_that_it_leaves_and_serves_until_it_does(
    production: Repository, tmp_path: Path, processes: int
) -> None:
    environment = {**production.environment, "SHUTDOWN_DELAY": "8"}
    leisurely = Repository(production.path, environment)
    token = bearer(production)
    with serving(leisurely, tmp_path / "log", processes) as (process, url):
        assert "Connection" not in get(url + ITEMS, headers=token).headers
        process.terminate()
        eventually(lambda: "This instance is being stopped." in get(f"{url}/readyz").text)
        assert get(f"{url}/healthz").status_code == 200

        def is_leaving() -> bool:
            served = get(url + ITEMS, headers=token)
            assert served.status_code == 200
            return served.headers.get("Connection") == "close"

        eventually(is_leaving)
        process.wait(60)


def test_two_processes_answer_and_both_are_gone_afterwards(
    production: Repository,
    server: tuple[subprocess.Popen[bytes], str],
) -> None:
    process, url = server
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2
    token = bearer(production)
    assert {get(url + ITEMS, headers=token).status_code for _ in range(10)} == {200}
    process.terminate()
    process.wait(60)
    deadline = time.monotonic() + 60  # A helper of multiprocessing outlives the rest by a moment.
    while left := [pid for pid in children if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_each_process_has_metrics_and_a_log_of_json_that_changes_its_level(
    production: Repository, tmp_path: Path
) -> None:
    levels, log = tmp_path / "levels", tmp_path / "log"
    levels.touch()
    settings = {
        "ENVIRONMENT": "production",
        "OIDC_ISSUER": "https://issuer.invalid",
        "OIDC_AUDIENCE": "shop",
        "LOG_LEVELS_FILE": str(levels),
    }

    def events() -> list[str]:
        return [json.loads(line)["event"] for line in log.read_text().splitlines()]

    served = Repository(production.path, {**production.environment, **settings})
    with serving(served, log, processes=2) as (_, url):
        canaries = {"Authorization": "Bearer not-a-token-canary", "Cookie": "session=canary"}
        assert get(f"{url}{ITEMS}?q=canary", headers=canaries).status_code == 401
        eventually(lambda: "GET (no route) 401" in events())
        assert "GET /healthz 200" not in events()
        levels.write_text("app.requests=debug")
        eventually(lambda: sum("app.requests=debug" in event for event in events()) == 2)
        get(f"{url}/healthz")
        eventually(lambda: "GET /healthz 200" in events())
        addresses = {event for event in events() if event.startswith("Metrics: ")}
        assert len(addresses) == 2
        for address in addresses:
            metrics = partial(get, address.removeprefix("Metrics: "))
            held = 'queue_jobs{job_state="held",module="catalog"} 0.0'
            eventually(lambda metrics=metrics, held=held: held in metrics().text)
            assert "canary" not in metrics().text
    assert "canary" not in log.read_text()
    assert "Finished server process" in " ".join(events())
