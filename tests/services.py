"""A shop in three kinds of processes: all but billing with a worker, and billing with a worker and a
login of its own, behind a network that fails. One Postgres.

    with apart(production, tmp_path) as site:
        site.billing.kill()
"""

import asyncio
import base64
import os
import random
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
from customers import Load
from generated import ROOT, Repository
from replica import free_port
from tcp_proxy import TcpProxy

sys.path.append(str(ROOT / "examples"))

from two_instances import Program, Web

APP = ".venv/bin/app"


class Process(Program):
    """A process of one release, which may run another one later. It keeps its ports."""

    def __init__(
        self, shop: Repository, name: str, *command: str, log: Path, **settings: str
    ) -> None:
        self.metrics = f"127.0.0.1:{free_port()}"
        self.settings = {**settings, "METRICS_PORT": self.metrics.rpartition(":")[2]}
        environment = {**shop.environment, **self.settings}
        super().__init__(name, [str(shop.path / APP), *command], environment, log)

    def run_release(self, folder: Path) -> None:
        """Run the code of a folder from the next start on."""
        self._environment = {**self._environment, "PYTHONPATH": str(folder / "src")}

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it stand still while the block lasts: it accepts connections, and is silent."""
        self.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.send(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a kernel that is out of memory does."""
        self.send(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(10)


class Served(Process, Web):
    """One that answers requests."""

    def begin(self, release: Path) -> None:
        """Start it, of a release, and wait until it is ready."""
        self.run_release(release)
        self.start()
        self.wait()

    def __init__(self, shop: Repository, name: str, port: int, log: Path, **settings: str) -> None:
        super().__init__(shop, name, "serve", "--port", str(port), log=log, **settings)
        self.port, self.url = port, f"http://127.0.0.1:{port}"


@dataclass(frozen=True)
class Apart:
    """All that runs."""

    shop: Served
    worker: Process
    billing: Served
    billing_worker: Process
    billing_apart: Served
    """A second one, of another release, which is not started."""
    network: TcpProxy
    """Between all others and billing."""

    @property
    def service(self) -> tuple[Served, Process]:
        return self.billing, self.billing_worker

    @property
    def callers(self) -> tuple[Served, Process]:
        return self.shop, self.worker

    def lead_to(self, billing: Served) -> None:
        """Let calls of billing arrive there, as a balancer does after a deployment."""
        self.network.to = "127.0.0.1", billing.port
        self.network.reset()


@contextmanager
def apart(
    production: Repository,
    folder: Path,
    release: Path,
    own_settings: Callable[[str, str], Mapping[str, str]] = lambda _login, _url: {},
    **settings: str,
) -> Iterator[Apart]:
    """Run a shop that has a database of its own while the block lasts; the folder takes logs.

    `own_settings` returns what billing gets besides, from its login and its URL.
    """
    login, service, roles = asyncio.run(_make_login(production.environment))
    migrating = {**production.environment, "SERVICE_LOGINS": f"billing={login}"}
    Repository(production.path, migrating).run(str(production.path / APP), "migrate")
    settings |= {"REMOTE_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}"}
    own = {**settings, "MODULES": "billing", "DATABASE_URL": service, "DATABASE_ROLES": roles}
    own |= own_settings(login, service)
    port, own_port = free_port(), free_port()
    with ExitStack() as running:
        network = running.enter_context(TcpProxy("127.0.0.1", own_port))
        settings["REMOTE_MODULES"] = f"billing=http://127.0.0.1:{network.port}"
        site = Apart(
            Served(production, "shop", port, folder, **settings),
            Process(production, "worker", "worker", log=folder, **settings),
            Served(production, "billing", own_port, folder, **own),
            Process(production, "billing-worker", "worker", log=folder, **own),
            Served(production, "billing-apart", free_port(), folder, **own),
            network,
        )
        running.callback(site.billing_apart.stop)
        for each in (*site.service, *site.callers):
            each.run_release(release)
            each.start()
            running.callback(each.stop)
        for each in (site.billing, site.shop):
            each.wait()
        yield site


async def _make_login(environment: Mapping[str, str]) -> tuple[str, str, str]:
    """Make a login for billing; return its name, its URL and whose roles it takes."""
    url = httpx.URL(environment["DATABASE_URL"])
    login, password = f"{url.username}_b", uuid4().hex
    admin = await asyncpg.connect(environment["MIGRATION_DATABASE_URL"])
    await admin.execute(f"CREATE ROLE {login} LOGIN NOINHERIT PASSWORD '{password}'")
    await admin.close()
    return login, str(url.copy_with(username=login, password=password)), url.username


@dataclass
class Customers(Load):
    """Those who also cancel, pay, and ask what they owe: the shop, which asks billing."""

    billing: str = ""
    """Its address, at which they pay."""
    accounts: str = "/ordering/accounts"
    """Where they ask what they owe."""
    paying: float = 0.3
    """Seconds between two payments of a customer."""
    cancelled: set[str] = field(default_factory=set)
    """Ids of orders that somebody has tried to cancel."""

    def client(self) -> httpx.AsyncClient:
        """Return one that lets go of a connection sooner than the server: none crosses a request."""
        limits = httpx.Limits(keepalive_expiry=2)
        return httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=30, limits=limits)

    async def _shop(self, customer: str, chance: random.Random) -> None:
        await asyncio.gather(self._buy(customer, chance), self._pay(customer))

    async def _buy(self, customer: str, chance: random.Random) -> None:
        line = {"product_id": self.product, "quantity": 1}
        order = {"customer_id": customer, "lines": [line]}
        reads = (f"/catalog/products/{self.product}", f"/ordering/orders?customer_id={customer}")
        async with self.client() as client:
            while self._go_on:
                dice = chance.random()
                if dice < 0.35:
                    await self._ask(client, "POST", "/ordering/orders", order)
                elif dice < 0.45 and (left := self.orders - self.cancelled):
                    self.cancelled.add(one := chance.choice(sorted(left)))
                    await self._ask(client, "POST", f"/ordering/orders/{one}/cancel", None)
                elif dice < 0.55:
                    await self._ask(client, "GET", f"{self.accounts}/{customer}", None)
                else:
                    await self._ask(client, "GET", chance.choice(reads), None)
                await asyncio.sleep(chance.uniform(0, self.thinking))

    async def _pay(self, customer: str) -> None:
        """Pay a cent now and then, beside the rest: billing may let people wait."""
        path = f"{self.billing}/billing/accounts/{customer}/payments"
        async with self.client() as client:
            while self._go_on:
                await self._ask(client, "POST", path, {"amount": "0.01"})
                await asyncio.sleep(self.paying)
