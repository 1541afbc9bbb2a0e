"""Alerts that really fire: the example shop, watched by Prometheus and Alertmanager, is broken and healed.

Two instances, two workers, a primary and a replica. Needs HAProxy, Prometheus and Alertmanager (Debian:
apt-get install haproxy prometheus prometheus-alertmanager). Where one is missing, a test fails and says
which.
"""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from customers import Load
from generated import ROOT, UV, Generate, Repository
from monitoring import Monitoring, monitored
from replica import free_port
from running import bearer, eventually

sys.path.append(str(ROOT / "examples"))

from two_instances import Site, site

pytestmark = pytest.mark.observability
MODULES = ["billing", "catalog", "identity", "ordering", "reviews"]


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    for tool in ("haproxy", "prometheus", "promtool", "amtool"):
        if shutil.which(tool) is None:
            pytest.fail(
                f"this test needs {tool}: apt-get install haproxy prometheus prometheus-alertmanager"
            )


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    """The example, and a module that was added, which nothing outside its folder was told of."""
    shop = generate(example=True)
    shop.add_module("reviews", "--entity", "review")
    assert not (set(shop.git("status", "--short").split()) & {"observability/", "docs/"})
    shop.commit("Add reviews")
    shop.run(UV, "sync", "--quiet")
    shop.make("dashboards")
    return shop


def test_the_rules_of_the_generated_repository_pass_their_own_tests(shop: Repository) -> None:
    printed = shop.make("alerts")
    assert printed.count("SUCCESS") >= 5


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("owner=@acme/payments severity=page", "rotation"),
        ("owner=@acme/storefront severity=page", "rotation"),
        ("owner=@acme/payments severity=ticket", "tickets"),
        ("severity=page", "rotation"),
    ],
)
def test_every_owner_shares_one_rotation(shop: Repository, labels: str, receiver: str) -> None:
    given = ["--config.file=observability/alertmanager.yml", f"--verify.receivers={receiver}"]
    shop.run("amtool", "config", "routes", "test", *given, *labels.split())


def test_without_promtool_make_alerts_says_what_to_install(
    shop: Repository, tmp_path: Path
) -> None:
    for tool in ("make", "sh", "echo", "grep", "git", "uv"):
        if found := shutil.which(tool):
            (tmp_path / tool).symlink_to(found)
    poor = Repository(shop.path, {**shop.environment, "PATH": str(tmp_path)})
    printed = poor.make("alerts", check=False)
    assert "promtool is missing. Install Prometheus and Alertmanager" in printed


@pytest.fixture(scope="module")
def running(shop: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)
    settings = {
        "DATABASE_SIZE_LIMIT": "100000000000",
        "METRICS_PORT": str(free_port()),
        "RATE_LIMIT": "10000",
        "SHUTDOWN_DELAY": "0",
    }
    with site(shop.path, folder, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def monitoring(
    shop: Repository, running: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Monitoring]:
    processes = [*running.instances, *running.workers]

    def told() -> list[str]:
        logs = (each.log.read_text() for each in processes)
        return [at for log in logs for at in re.findall(r"Metrics: http://(\S+)/metrics", log)]

    eventually(lambda: len(told()) == len(processes))
    targets = told()
    with monitored(shop.path, tmp_path_factory.mktemp("monitoring"), targets) as monitoring:
        eventually(lambda: len(monitoring.query('up{job="app"} == 1')) == len(targets))
        yield monitoring


@pytest.fixture(scope="module")
def load(shop: Repository, running: Site) -> Iterator[Load]:
    """Customers who look and order, and somebody who reads reviews."""
    load = Load(running.url, bearer(shop, "catalog:write"))
    with load.shopping(3):
        yield load


def rename(running: Site, old: str, new: str) -> None:
    async def execute() -> None:
        admin = await asyncpg.connect(running.primary.url("shop"))
        await admin.execute(f"ALTER TABLE {old} RENAME TO {new}")
        await admin.close()

    asyncio.run(execute())


def test_a_broken_module_pages_its_owner_for_it_alone_until_it_is_healed(
    shop: Repository, running: Site, monitoring: Monitoring, load: Load
) -> None:
    load.succeed(100)
    eventually(lambda: monitoring.query('module_outcome:burn:rate6h{module="billing"} == 0'))
    assert monitoring.firing("AvailabilityBurn") == set()

    rename(running, "billing.entries", "broken")  # Orders fail, which are ordering's requests.
    try:
        eventually(lambda: monitoring.paged("AvailabilityBurn", "firing"), 120)
        assert monitoring.firing("AvailabilityBurn") == {"billing"}
        eventually(lambda: monitoring.firing("AvailabilityBurn", "ticket") == {"billing"})
        every_panel_shows_something(shop, monitoring)
        assert not monitoring.paged("AvailabilityBurn", "resolved")
    finally:
        rename(running, "billing.broken", "entries")
    eventually(lambda: monitoring.paged("AvailabilityBurn", "resolved"), 120)
    assert monitoring.firing("AvailabilityBurn") == set()

    pages = monitoring.paged("AvailabilityBurn", "firing")
    assert {page["labels"]["module"] for page in pages} == {"billing"}
    page = pages[0]
    assert page["labels"]["owner"] == "@acme/payments"
    assert page["labels"]["severity"] == "page"
    blob = "https://github.com/acme/shop/blob/main"
    assert page["annotations"]["runbook_url"] == f"{blob}/docs/runbook.md#availabilityburn"
    readme = f"{blob}/src/app/modules/billing/README.md"
    assert page["annotations"]["module_url"] == readme


def every_panel_shows_something(shop: Repository, monitoring: Monitoring) -> None:
    """Ask each panel's query, of dashboards that know no module, for each module that there is."""
    named = monitoring.ask("label/module/values", **{"match[]": "module_info"})
    assert named == MODULES
    queries = [
        (board.name, panel["title"], target["expr"])
        for board in sorted((shop.path / "observability/dashboards").iterdir())
        for panel in json.loads(board.read_text("utf-8"))["panels"]
        for target in panel.get("targets", [])
    ]
    assert len(queries) > 40

    def numbers(query: str) -> set[str]:
        found = [monitoring.query(query.replace("$module", module)) for module in named]
        return {each["value"][1] for samples in found for each in samples} - {"NaN"}

    for board, title, expr in queries:
        query = expr.replace("$__rate_interval", "20s")
        with suppress(AssertionError):
            eventually(partial(numbers, query))
        assert numbers(query), f"{board}: {title} shows nothing: {query}"


def test_a_module_that_was_added_has_metrics_objectives_and_an_owner(
    monitoring: Monitoring, load: Load, shop: Repository
) -> None:
    load.succeed(1)

    async def read(times: int) -> None:
        async with load.client() as client:
            for _ in range(times):
                assert (await client.get("/reviews")).status_code == 200
                await asyncio.sleep(0.1)

    def told(expression: str) -> bool:
        asyncio.run(read(1))  # It tells of the last seconds.
        return bool(monitoring.query(expression))

    asyncio.run(read(20))
    found = 'slo_requests_total{module="reviews", outcome="good"}'
    eventually(lambda: monitoring.query(f"sum({found}) >= 20"))
    for expression in (
        'module:owner{module="reviews", owner="@acme/team"}',
        'module_outcome:burn:rate5m{module="reviews", outcome="failed"} == 0',
        'module_outcome:burn:rate5m{module="reviews", outcome="slow"}',
        'queue_jobs{module="reviews", job_state="held"}',
        'http_server_requests_total{module="reviews", http_route="/reviews"}',
        'boundary_calls_total{module="reviews"}',
    ):
        eventually(partial(told, expression))
    assert "reviews" not in "".join(
        path.read_text("utf-8") for path in (shop.path / "observability").rglob("*.*")
    )
