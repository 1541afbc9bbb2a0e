"""Billing in processes of its own, under load: killed, slow, and of a release older or newer.

Customers order, cancel, pay and look around meanwhile, under a real Prometheus. The rest answers, alerts
name billing alone, no call is multiplied, and in the end the books balance.
"""

import asyncio
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from balancing import balance
from customers import Answer
from generated import Generate, Repository
from monitoring import Monitoring, monitored
from prometheus_client.parser import text_string_to_metric_families
from running import bearer, eventually, in_production
from services import Apart, Customers, Process, Served, apart

pytestmark = pytest.mark.observability
HERE = Path(__file__).parent
MODULES = "src/app/modules"
CUSTOMERS, METHODS, FAILURES, PAUSE = 4, 3, 5, 10
SECONDS = 2.0
"""What a call of billing may take."""
OTHERS = ("catalog", "identity", "ordering")
LATENCY_MS, LATE = 550, 0.3
"""What a request to the others may take: less than one that a late network delays, there and back, and
more than any takes where only the machine is busy."""
ACCOUNT = """
    @router.get("/accounts/{customer_id}")
    async def get_account(customer_id: UUID, caller: Caller) -> Account:
        return await billing.get_account(caller.id, customer_id)

    return router
"""
AN_ENTRY = "order_id: UUID, amount: Decimal) -> Entry:"
ANNOTATED = "order_id: UUID, amount: Decimal, note: str = '') -> Entry:"
FIND = """async def find_account(self, owner: str, customer_id: UUID) -> Account:
        {}

    async def get_account("""


@dataclass(frozen=True)
class Releases:
    """Two of the shop: in the newer one, ordering says more when it charges, and asks something new."""

    production: Repository
    older: Path

    @property
    def newer(self) -> Path:
        return self.production.path


@pytest.fixture(scope="module")
def releases(generate: Generate, postgres: str) -> Releases:
    shop = generate(example=True)
    shop.git("apply", str(HERE / "carved/carved.patch"))
    routes = f"{MODULES}/ordering/routes.py"
    shop.replace(
        routes, "from . import", "from app.modules.billing import Account, Billing\n\nfrom . import"
    )
    shop.replace(routes, "db: Database) ->", "db: Database, billing: Billing) ->")
    shop.replace(routes, "\n    return router\n", ACCOUNT)
    for each in OTHERS:
        shop.replace(f"{MODULES}/{each}/module.toml", "_ms = 300", f"_ms = {LATENCY_MS}")
    shop.commit("Take tx out, and let ordering tell what is owed")
    production = in_production(shop, postgres)
    older = shop.path.with_name("older")
    shop.git("worktree", "add", "--quiet", str(older), "HEAD")
    bearer(shop)  # Makes the key that both know.
    (older / ".local").symlink_to(shop.path / ".local")

    billing = f"{MODULES}/billing"
    for file in (f"{billing}/__init__.py", f"{billing}/service.py"):
        shop.replace(file, AN_ENTRY, ANNOTATED)
    get = "async def get_account("
    shop.replace(f"{billing}/__init__.py", get, FIND.format('"""As get_account."""'))
    found = "return await self.get_account(owner, customer_id)"
    shop.replace(f"{billing}/service.py", get, FIND.format(found))
    shop.replace(f"{MODULES}/ordering/settlement.py", "order.total)", "order.total, 'order')")
    shop.replace(routes, "billing.get_account(", "billing.find_account(")
    shop.commit("Note why something is charged")
    return Releases(production, older)


@pytest.fixture(scope="module")
def site(releases: Releases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    settings = {"RATE_LIMIT": "10000", "SHUTDOWN_DELAY": "0", "WORKER_LOST_AFTER": "2"}
    folder = tmp_path_factory.mktemp("apart")
    with apart(releases.production, folder, releases.older, **settings) as site:
        yield site


@pytest.fixture(scope="module")
def monitoring(
    releases: Releases, site: Apart, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Monitoring]:
    if shutil.which("prometheus") is None:
        pytest.fail(
            "this test needs Prometheus: apt-get install prometheus prometheus-alertmanager"
        )
    others, own = ([each.metrics for each in group] for group in (site.callers, site.service))
    folder = tmp_path_factory.mktemp("monitoring")
    with monitored(releases.newer, folder, others, {"billing": own}) as monitoring:
        eventually(lambda: len(monitoring.query('up{job="app"} == 1')) == 4)
        eventually(lambda: not monitoring.query("ALERTS"))  # Before the first scrape, all is down.
        monitoring.since = time.time()
        yield monitoring


@pytest.fixture
def load(releases: Releases, site: Apart, monitoring: Monitoring) -> Iterator[Customers]:
    """Customers whose business is done and whose books balance in the end."""
    headers = bearer(releases.production, "catalog:write", "billing:write")
    load = Customers(site.shop.url, headers, billing=site.billing.url)
    with load.shopping(CUSTOMERS):
        load.succeed(40)
        eventually(lambda: not monitoring.query('ALERTS{module!="billing"}'), 120)
        yield load
    asyncio.run(balance(releases.production.environment["MIGRATION_DATABASE_URL"], load))


@pytest.fixture(scope="module")
def newer_billing(site: Apart, releases: Releases) -> Served:
    """A billing of the newer release, beside the older one."""
    site.billing_apart.begin(releases.newer)
    return site.billing_apart


@pytest.fixture
def newer_callers(
    newer_billing: Served, site: Apart, releases: Releases, monitoring: Monitoring
) -> None:
    """Let all but billing be the newer release, while nobody shops."""
    site.worker.stop()
    site.worker.run_release(releases.newer)
    site.worker.start()
    site.shop.stop()
    site.shop.begin(releases.newer)
    site.lead_to(newer_billing)
    eventually(lambda: not monitoring.query('ALERTS{module!="billing"}'), 120)


def test_who_kills_billing_is_told_of_billing_alone(
    site: Apart, load: Customers, monitoring: Monitoring
) -> None:
    with trouble(site, load, monitoring) as came:
        for each in site.service:
            each.kill()
        ask(site, 100)
        eventually(lambda: monitoring.paged("ServiceDown", "firing"), 120)
        eventually(lambda: monitoring.firing("RemoteErrors") == {"billing"}, 120)
        for each in site.service:
            each.start()
        site.billing.wait()
    only_what_needs_billing_fails(came.answers, {503})
    few_are_tried(came)


def test_while_billing_stands_still_nobody_stands_in_a_queue(
    site: Apart, load: Customers, monitoring: Monitoring
) -> None:
    before = refused(site)
    with trouble(site, load, monitoring) as came, site.billing.stopped():
        ask(site, 100)
        eventually(lambda: monitoring.firing("RemoteErrors") == {"billing"}, 120)
        eventually(lambda: refused(site) > before, 120)
    only_what_needs_billing_fails(came.answers, {503, 504})
    few_are_tried(came)


def test_a_slow_billing_is_late_and_nobody_else(
    site: Apart, load: Customers, monitoring: Monitoring
) -> None:
    def answered() -> int:
        return counted(site.billing, "http_server_requests_total", http_route="/_modules/")

    before = answered() - site.network.attempts
    with trouble(site, load, monitoring) as came:
        with site.network.late(LATE):
            eventually(lambda: monitoring.firing("LatencyBurn") == {"billing"}, 120)
        load.succeed(CUSTOMERS * 2)  # The last ones that were late.
    only_what_needs_billing_fails(came.answers, set())
    # But for those that are on their way, each attempt was a call that it has answered.
    eventually(lambda: abs(answered() - site.network.attempts - before) <= 2 * CUSTOMERS)


def test_a_newer_billing_serves_who_is_older(
    newer_billing: Served, site: Apart, load: Customers, monitoring: Monitoring
) -> None:
    with trouble(site, load, monitoring) as came:
        site.lead_to(newer_billing)
        eventually(lambda: counted(newer_billing, "http_server_requests_total") > 40)
    only_what_needs_billing_fails(came.answers, {503})  # Whose connection was broken.
    assert not [each for each in load.answers[-40:] if each.has_failed]


def test_an_older_billing_does_nothing_that_it_does_not_understand(
    newer_callers: None,
    newer_billing: Served,
    site: Apart,
    load: Customers,
    monitoring: Monitoring,
) -> None:
    with trouble(site, load, monitoring) as came:
        site.lead_to(site.billing)
        eventually(lambda: monitoring.firing("RemoteErrors") == {"billing"}, 120)
        site.lead_to(newer_billing)
    only_what_needs_billing_fails(came.answers, {503})
    # Nothing is asked twice of who does not understand.
    assert came.attempts <= came.calls + 2 * CUSTOMERS + retried(site), came


def test_the_logs_say_what_is_wrong_and_no_more(site: Apart) -> None:
    """One line for each request that it concerns, and two for each method: it is away, it is back."""
    for each in (*site.callers, *site.service):
        log = each.log.read_text()
        assert "Traceback" not in log
        assert "[error" not in log
        assert "retry_scheduled" not in log
        assert len(re.findall(r"is left alone; every|answers again", log)) <= 4 * 2 * METHODS, log
    told = site.shop.log.read_text()
    assert (
        "billing.charge failed 5 times in a row, and is left alone; every 10 s one call tries"
        in told
    )
    assert "billing.charge of the release that serves it does not take what was sent: note" in told


@dataclass
class Came:
    """What came of some trouble."""

    answers: list[Answer] = field(default_factory=list)
    attempts: int = 0
    """To reach billing."""
    calls: int = 0
    """Of billing."""
    seconds: float = 0


@contextmanager
def trouble(site: Apart, load: Customers, monitoring: Monitoring) -> Iterator[Came]:
    """Let something go wrong in the block. Whoever needs no billing is answered as ever meanwhile, alerts
    are about billing alone, and afterwards all is well again, by itself."""
    came = Came()
    monitoring.since = begun = time.time()
    calls = called(site)  # Before the attempts, so that none is counted without its call.
    since, attempts = len(load.answers), site.network.attempts
    yield came
    came.answers, came.seconds = load.answers[since:], time.time() - begun
    came.attempts, came.calls = site.network.attempts - attempts, called(site) - calls
    eventually(lambda: not counted(site.shop, "remote_breaker_open"), 120)
    load.succeed(40)
    reads = [
        each for each in came.answers if each.path.startswith(("/catalog", "/ordering/orders?"))
    ]
    assert len(reads) > 10
    assert {each.status for each in reads} == {200}, load.told()
    late = sorted(each.seconds for each in reads)[len(reads) * 95 // 100]
    assert late < SECONDS, "others wait for billing"
    assert {module for *_, module in monitoring.fired()} <= {"billing"}, monitoring.fired()


def only_what_needs_billing_fails(answers: list[Answer], statuses: set[int]) -> None:
    """Check that orders are taken and cancelled as ever, to be settled later."""
    failed = [each for each in answers if each.has_failed]
    assert {each.path.partition("/")[0] for each in failed if each.method == "POST"} <= {"http:"}
    asked = [each for each in failed if "/ordering/accounts" in each.path]
    assert {each.status for each in asked} <= statuses, asked
    assert all(each.is_problem for each in asked)
    assert all(each.retry_after for each in asked if each.status == 503)


def few_are_tried(came: Came) -> None:
    """Check that calls are not multiplied, but left out: each process, by method, makes five attempts that
    fail, those that run when the fifth fails, and one each ten seconds."""
    most = METHODS * 2 * (FAILURES + CUSTOMERS + 1 + came.seconds // PAUSE)
    assert came.attempts <= min(most, came.calls), came


def counted(process: Process, name: str, **labels: str) -> int:
    """Return the sum of what a process counts; of a label it is enough how it begins."""
    families = text_string_to_metric_families(
        httpx.get(f"http://{process.metrics}/metrics", timeout=60).text
    )
    return sum(
        int(each.value)
        for family in families
        for each in family.samples
        if each.name == name
        and all(each.labels[label].startswith(value) for label, value in labels.items())
    )


def retried(site: Apart) -> int:
    """Return how many calls were made once more, since their connection broke."""
    return sum(counted(each, "remote_retries_total") for each in site.callers)


def refused(site: Apart) -> int:
    """Return how many calls of billing were not even made, since it had failed too often."""
    return counted(site.shop, "remote_errors_total", reason="open")


def ask(site: Apart, times: int) -> None:
    """Return when billing has been called so many times more."""
    before = called(site)
    eventually(lambda: called(site) >= before + times, 120)


def called(site: Apart) -> int:
    return sum(counted(each, "boundary_calls_total", module="billing") for each in site.callers)
