"""The network between a web server and Postgres fails, or Postgres ends what is under way."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx
import pytest
from behind_proxy import network_of, through
from generated import Repository
from running import bearer, eventually, serving
from tcp_proxy import TcpProxy

WAYS = (
    "statement",
    "first_statement",
    "other_module",
    "stream",
    "copy",
    "crowded",
    "savepoint",
    "in_savepoint",
    "in_nested_savepoints",
    "other_module_in_savepoint",
    "copy_in_savepoint",
    "stream_in_savepoint",
    "release",
    "roll_back_to",
    "caught_around_savepoint",
    "read",
    "fetch",
    "second_transaction",
    "commit",
)
"""Where a request may be when something happens; see `trouble/web_database.py`."""
SETTINGS = {
    "DATABASE_STATEMENT_TIMEOUT": "3",
    "DATABASE_POOL_SIZE": str(len(WAYS)),
    "DATABASE_POOL_TIMEOUT": "3",
    "REQUEST_TIMEOUT": "55",
    "SHUTDOWN_TIMEOUT": "55",
}
SOON = 45
"""Seconds: many times what a statement has here, and less than a request has."""
TURN = 7_285_917_604
"""The key of the lock that one migration at a time has."""


class Outcome(NamedTuple):
    """What became of a request, and how long it took from then on."""

    status: int
    detail: object
    seconds: float


@pytest.fixture(scope="module")
def proxy(production: Repository) -> Iterator[TcpProxy]:
    with network_of(production) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def client(
    production: Repository, proxy: TcpProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    log = tmp_path_factory.mktemp("web") / "log"
    application = through(production, proxy, **SETTINGS)
    headers = bearer(production)
    with (
        serving(application, log) as (_, url),
        httpx.Client(base_url=url, headers=headers, timeout=60) as client,
    ):
        yield client


def struck(client: httpx.Client, strike: Callable[[], object]) -> dict[str, Outcome]:
    """Let a request get to each place, and go on once all of them were struck."""

    def ask(way: str) -> tuple[httpx.Response, float]:
        return client.get(f"/trouble/wait/{way}"), time.monotonic()

    with ThreadPoolExecutor(len(WAYS)) as pool:
        asked = {way: pool.submit(ask, way) for way in WAYS}
        eventually(lambda: client.get("/trouble/waiting").json() == len(WAYS))
        strike()
        begun = time.monotonic()
        client.post("/trouble/go")
        done = {way: each.result() for way, each in asked.items()}
    return {
        way: Outcome(answer.status_code, detail(answer), ended - begun)
        for way, (answer, ended) in done.items()
    }


def assert_well(client: httpx.Client) -> None:
    """Every connection of the pool can be used again."""
    with ThreadPoolExecutor(len(WAYS)) as pool:
        answers = list(pool.map(lambda _: client.get("/trouble/one"), range(2 * len(WAYS))))
    assert [each.status_code for each in answers] == [200] * len(answers)


def kill(production: Repository) -> None:
    async def end() -> None:
        login = await asyncpg.connect(production.environment["DATABASE_URL"])
        await login.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = current_user AND pid <> pg_backend_pid()"
        )
        login.terminate()

    asyncio.run(end())


@pytest.mark.parametrize("strike", ["silence", "reset", "kill"])
def test_a_lost_connection_is_the_same_answer_wherever_it_is_lost(
    client: httpx.Client, proxy: TcpProxy, production: Repository, strike: str
) -> None:
    assert_well(client)
    strikes = {"silence": proxy.silence, "reset": proxy.reset, "kill": lambda: kill(production)}
    outcomes = struck(client, strikes[strike])
    assert max(each.seconds for each in outcomes.values()) < SOON
    assert outcomes.pop("commit").status == 500  # Nobody knows whether that was done.
    if strike != "silence":  # The pool may have heard of it, and connected anew.
        for way in ("first_statement", "fetch", "second_transaction"):
            assert outcomes.pop(way).status in (200, 503)
    assert outcomes["statement"].status == 503
    assert_same(outcomes)
    assert_well(client)


@pytest.mark.parametrize("how", ["limit", "57014", "40001", "40P01"])
def test_what_ends_a_statement_is_the_same_answer_inside_and_outside_of_savepoints(
    client: httpx.Client, how: str
) -> None:
    outcomes = failed(client, how)
    assert outcomes["plain"].status == 503
    assert_same(outcomes)
    assert_well(client)


def test_a_request_that_took_too_long_is_the_same_answer_inside_and_outside_of_savepoints(
    production: Repository, proxy: TcpProxy, tmp_path: Path
) -> None:
    application = through(production, proxy, **SETTINGS | {"REQUEST_TIMEOUT": "5"})
    with (
        serving(application, tmp_path / "log") as (_, url),
        httpx.Client(base_url=url, headers=bearer(production), timeout=60) as client,
    ):
        outcomes = failed(client, "deadline")
        assert outcomes["plain"].status == 503
        assert_same(outcomes)
        assert_well(client)


def test_a_server_that_takes_long_to_connect_to_is_given_up(
    client: httpx.Client, proxy: TcpProxy
) -> None:
    proxy.reset()
    proxy.slow_connect = 60
    begun = time.monotonic()
    try:
        answer = client.get("/trouble/one")
    finally:
        proxy.slow_connect = 0
    assert answer.status_code == 503
    assert time.monotonic() - begun < SOON
    assert_well(client)


def test_a_black_hole_costs_nobody_more_than_a_statement_and_a_connection(
    client: httpx.Client, proxy: TcpProxy
) -> None:
    assert_well(client)
    with proxy.black_hole(), ThreadPoolExecutor() as pool:
        begun = time.monotonic()
        answers = [pool.submit(client.get, path) for path in ("/readyz", "/trouble/one")]
        assert [each.result().status_code for each in answers] == [503, 503]
        assert client.get("/readyz").status_code == 503
        assert time.monotonic() - begun < SOON
    eventually(lambda: client.get("/readyz").status_code == 200)
    assert_well(client)


def test_a_late_network_is_no_broken_one(client: httpx.Client, proxy: TcpProxy) -> None:
    proxy.delay = 0.1
    try:
        assert client.get("/trouble/one").status_code == 200
    finally:
        proxy.delay = 0


def test_a_full_pool_is_told_and_serves_again(client: httpx.Client) -> None:
    with ThreadPoolExecutor(len(WAYS)) as pool:
        asked = [pool.submit(client.get, "/trouble/wait/statement") for _ in WAYS]
        eventually(lambda: client.get("/trouble/waiting").json() == len(asked))
        assert client.get("/trouble/one").status_code == 503
        client.post("/trouble/go")
        assert [each.result().status_code for each in asked] == [200] * len(asked)
    assert_well(client)


def test_a_migration_whose_connection_fell_silent_ends_and_says_so(
    production: Repository, tmp_path: Path
) -> None:
    log = tmp_path / "log"

    async def migrate(application: Repository, proxy: TcpProxy) -> int:
        admin = await asyncpg.connect(production.environment["MIGRATION_DATABASE_URL"])
        try:
            await admin.execute(f"SELECT pg_advisory_lock({TURN})")
            migration = await asyncio.create_subprocess_exec(
                application.path / ".venv/bin/app",
                "migrate",
                cwd=application.path,
                env=application.environment,
                stdout=log.open("wb"),
                stderr=subprocess.STDOUT,
            )
            async with asyncio.timeout(60):
                while "Another migration runs" not in log.read_text():
                    await asyncio.sleep(0.1)
                proxy.silence()
                return await migration.wait()
        finally:
            admin.terminate()

    with network_of(production) as proxy:
        assert asyncio.run(migrate(through(production, proxy), proxy)) == 1
    said = log.read_text().splitlines()
    assert "fell silent" in said[-1]
    assert "Traceback" not in said


def failed(client: httpx.Client, how: str) -> dict[str, Outcome]:
    def ask(where: str) -> Outcome:
        begun = time.monotonic()
        answer = client.get(f"/trouble/fail/{how}/{where}")
        return Outcome(answer.status_code, detail(answer), time.monotonic() - begun)

    places = ("plain", "savepoint", "nested")
    with ThreadPoolExecutor(len(places)) as pool:
        return dict(zip(places, pool.map(ask, places), strict=True))


def assert_same(outcomes: dict[str, Outcome]) -> None:
    first = next(iter(outcomes.values()))
    told = {where: (each.status, each.detail) for where, each in outcomes.items()}
    assert told == dict.fromkeys(told, (first.status, first.detail))


def detail(answer: httpx.Response) -> object:
    return answer.json()["detail"] if answer.is_error else None
