"""Two instances behind HAProxy, two workers, a primary and a replica, under load, while parts of it
are restarted. What is measured is printed (`pytest -s`).

These tests need HAProxy (Debian: apt-get install haproxy). Where it is missing they fail and say so.
"""

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import asyncpg
import httpx
import pytest
from customers import Load, books, jobs_done
from documented import follow
from generated import ROOT, UV, Generate, Repository
from running import bearer

sys.path.append(str(ROOT / "examples"))

from two_instances import LOGIN, Site, site

pytestmark = pytest.mark.system
CUSTOMERS = 8


@pytest.fixture(scope="module", autouse=True)
def haproxy() -> None:
    if shutil.which("haproxy") is None:
        pytest.fail("this test needs HAProxy: apt-get install haproxy")


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    shop = generate(example=True)
    shop.run(UV, "sync", "--quiet")
    return shop


@pytest.fixture(scope="module")
def running(shop: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)
    with site(shop.path, folder, RATE_LIMIT="10000") as running:
        yield running


@pytest.fixture
def load(shop: Repository, running: Site) -> Load:
    return Load(running.url, bearer(shop, "catalog:write"))


async def balanced(running: Site, load: Load) -> None:
    """Assert that every order is whole, that none is lost or doubled, and that every job was done."""
    admin = running.primary.url("shop")
    await jobs_done(admin)
    counts = await books(admin, load)
    orders = counts.pop("orders")
    assert counts.pop("confirmed to a customer") == len(load.orders)
    unknown = sum(each.is_unknown and each.method == "POST" for each in load.answers)
    assert len(load.orders) <= orders <= len(load.orders) + unknown
    assert set(counts.values()) == {orders}, counts


def disturb(running: Site, load: Load, trouble: Callable[[], object]) -> None:
    """Cause trouble while customers order, go on until all is well, and look into the books."""
    with load.shopping(CUSTOMERS):
        load.succeed(100)
        trouble()
        load.succeed(200)
    asyncio.run(balanced(running, load))


def test_a_rolling_restart_under_load_fails_no_request(
    running: Site, load: Load, record_property: Callable[[str, float], None]
) -> None:
    disturb(running, load, running.restart_instances)
    print(f"\nBoth instances restart: {load.told()}")
    record_property("figure", len(load.failed))
    assert load.failed == []


@pytest.mark.parametrize("at_once", [False, True], ids=["restarts", "crashes"])
def test_the_database_goes_away_under_load_and_everything_heals(
    running: Site, load: Load, at_once: bool
) -> None:
    def bounce() -> None:
        running.primary.stop(at_once=at_once)
        running.primary.start()

    disturb(running, load, bounce)
    print(f"\nPostgres {'crashes' if at_once else 'restarts'}: {load.told()}")
    assert all(each.is_problem for each in load.failed), load.told()
    assert all(each.status == 503 or each.is_unknown for each in load.failed), load.told()
    assert all(each.is_running() for each in (*running.instances, *running.workers))


@pytest.mark.parametrize("path", ["/readyz", "/healthz", "/%72eadyz", "/readyz?a=b"])
def test_nobody_outside_may_ask_an_instance_for_its_health(running: Site, path: str) -> None:
    refused = httpx.get(running.url + path, timeout=60)
    assert refused.status_code == 404
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert httpx.get(running.instances[0].url + path, timeout=60).status_code == 200


def test_the_extension_of_statistics_is_updated_as_it_is_documented(
    shop: Repository, running: Site
) -> None:
    """Its views stand in the way: neither older servers nor `ALTER EXTENSION` take them along."""
    urls = {
        "DATABASE_URL": running.primary.url("shop", LOGIN),
        "MIGRATION_DATABASE_URL": running.primary.url("shop"),
        "ENVIRONMENT": "development",
    }
    production = Repository(shop.path, {**shop.environment, **urls})

    def execute(sql: str) -> object:
        async def ask() -> object:
            admin = await asyncpg.connect(urls["MIGRATION_DATABASE_URL"])
            try:
                return await admin.fetchval(sql)
            finally:
                await admin.close()

        return asyncio.run(ask())

    execute("DROP EXTENSION pg_stat_statements CASCADE")
    execute("CREATE EXTENSION pg_stat_statements VERSION '1.10'")
    production.run(".venv/bin/app", "migrate")
    with pytest.raises(asyncpg.DependentObjectsStillExistError):
        execute("ALTER EXTENSION pg_stat_statements UPDATE")
    follow(production, "Upgrades", shop.path)
    version = "SELECT extversion FROM pg_extension WHERE extname = 'pg_stat_statements'"
    assert execute(version) != "1.10"
    assert execute("SELECT count(*) FROM platform.own_statements") is not None


def test_one_command_starts_all_of_it_and_stops_it(shop: Repository) -> None:
    command = [sys.executable, str(ROOT / "examples/two_instances.py"), str(shop.path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("Ask http://127.0.0.1:")
        while "Ctrl-C" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline() == "Both instances are new.\n"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
