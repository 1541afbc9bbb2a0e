"""Customers of the example shop who look and order, and what came of it."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import asyncpg
import httpx

STOCK = 1_000_000
_UNKNOWN = "It is not known whether this was done"


@dataclass(frozen=True)
class Answer:
    at: float
    """Seconds on the monotonic clock, when it arrived."""
    seconds: float
    method: str
    status: int
    """0 where there was none."""
    detail: str = ""
    is_problem: bool = True
    """Whether an error is described as problem+json."""
    path: str = ""
    retry_after: str | None = None

    @property
    def has_failed(self) -> bool:
        return not 200 <= self.status < 300

    @property
    def is_unknown(self) -> bool:
        """Whether something may have been done all the same."""
        return self.status in (0, 502, 504) or _UNKNOWN in self.detail


@dataclass
class Load:
    """Who orders what, and every answer so far."""

    url: str
    headers: Mapping[str, str]
    """With a token that may write to the catalog."""
    customers: list[str] = field(default_factory=list)
    product: str = ""
    answers: list[Answer] = field(default_factory=list)
    orders: set[str] = field(default_factory=set)
    """Ids of those that were confirmed to a customer."""
    thinking: float = 0.04
    """Seconds at most between two things that somebody does."""
    ledger: str = ""
    """The address at which customers also look at what they owe, and pay a cent of it, if they do."""
    paid: int = 0
    _go_on: bool = True

    @contextmanager
    def shopping(self, customers: int) -> Iterator[None]:
        """Let so many do one thing after the other while the block lasts, in a thread of their own.

        Not in the block's: a Postgres that is started from a thread stops with it.
        """
        asyncio.run(self._prepare(customers))
        with ThreadPoolExecutor(1) as thread:
            done = thread.submit(asyncio.run, self._run())
            try:
                yield
            finally:
                self._go_on = False
            done.result()

    def succeed(self, times: int) -> None:
        """Return when as many more requests have succeeded, with no failure among them."""
        since, deadline = len(self.answers), time.monotonic() + 180
        while len(self.answers) < since + times or any(
            each.has_failed for each in self.answers[-times:]
        ):
            assert time.monotonic() < deadline, self.told()
            time.sleep(0.05)

    async def _prepare(self, customers: int) -> None:
        """Put tea on the shelf, and register who will order it."""
        async with self.client() as client:
            self.product = (await _post(client, "/catalog/products", _tea()))["id"]
            quantity = {"quantity": STOCK}
            await _post(client, f"/catalog/products/{self.product}/deliveries", quantity)
            for _ in range(customers):
                ada = {"email": f"{uuid4()}@example.org", "name": "Ada"}
                self.customers.append((await _post(client, "/identity/customers", ada))["id"])

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number, customer in enumerate(self.customers):
                group.create_task(self._shop(customer, random.Random(number)))

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=60)

    async def _shop(self, customer: str, chance: random.Random) -> None:
        line = {"product_id": self.product, "quantity": 1}
        order = {"customer_id": customer, "lines": [line]}
        reads = [
            f"/catalog/products/{self.product}",
            "/catalog/products",
            f"/ordering/orders?customer_id={customer}&limit=10",
        ]
        has_ordered = False
        async with self.client() as client:
            while self._go_on:
                if chance.random() < 0.4:
                    await self._ask(client, "POST", "/ordering/orders", order)
                    has_ordered = True
                elif self.ledger and has_ordered and chance.random() < 0.5:
                    account = f"{self.ledger}/accounts/{customer}"
                    await self._ask(client, "GET", account, None)
                    await self._ask(client, "POST", f"{account}/payments", {"amount": "0.01"})
                else:
                    await self._ask(client, "GET", chance.choice(reads), None)
                await asyncio.sleep(chance.uniform(0, self.thinking))

    async def _ask(self, client: httpx.AsyncClient, method: str, path: str, body: object) -> None:
        since = time.monotonic()
        try:
            answer = await client.request(method, path, json=body)
        except httpx.TransportError as error:
            now = time.monotonic()
            self.answers.append(Answer(now, now - since, method, 0, repr(error), False, path))
            await asyncio.sleep(0.1)
            return
        now = time.monotonic()
        if answer.is_success:
            self.answers.append(Answer(now, now - since, method, answer.status_code, path=path))
            if path.endswith("/payments"):
                self.paid += 1
            elif method == "POST":
                self.orders.add(answer.json()["id"])
            return
        is_problem = answer.headers["Content-Type"] == "application/problem+json"
        detail = answer.json()["detail"] if is_problem else answer.text
        later, status = answer.headers.get("Retry-After"), answer.status_code
        self.answers.append(
            Answer(now, now - since, method, status, detail, is_problem, path, later)
        )
        await asyncio.sleep(0.1)  # As a well-behaved client, it does not insist.

    @property
    def failed(self) -> list[Answer]:
        return [each for each in self.answers if each.has_failed]

    def told(self) -> str:
        """Return the figures: how many, which failures, for how long."""
        if not self.failed:
            return f"{len(self.answers)} requests, {len(self.orders)} of them orders; 0 failed"
        kinds = Counter((each.method, each.status, each.detail) for each in self.failed)
        first, last = self.failed[0].at, max(each.at for each in self.failed)
        lines = [f"    {count} {' '.join(map(str, kind))}" for kind, count in kinds.most_common()]
        return "\n".join(
            [
                f"{len(self.answers)} requests, {len(self.orders)} of them orders; "
                f"{len(self.failed)} failed, within {last - first:.1f} s; "
                f"the slowest took {max(each.seconds for each in self.answers):.1f} s",
                *lines,
            ]
        )


def _tea() -> dict[str, str]:
    return {"sku": f"TEA-{uuid4().hex[:8].upper()}", "name": "Tea", "price": "0.01"}


async def _post(client: httpx.AsyncClient, path: str, body: object) -> dict[str, str]:
    answer = await client.post(path, json=body)
    assert answer.is_success, answer.text
    made: dict[str, str] = answer.json()
    return made


async def books(url: str, load: Load, billing: str = "billing") -> dict[str, int]:
    """Count what the database holds of a load: as an admin, once nothing runs any more.

    The module for accounts may have another name than `billing`.
    """
    admin = await asyncpg.connect(url)
    customers, product = load.customers, load.product
    questions: Mapping[str, tuple[str, Iterable[object]]] = {
        "orders": ("FROM ordering.orders WHERE customer_id = ANY($1::uuid[])", [customers]),
        "confirmed to a customer": (
            "FROM ordering.orders WHERE id = ANY($1::uuid[])",
            [list(load.orders)],
        ),
        "shipments": (
            "FROM ordering.shipments JOIN ordering.orders ON id = order_id"
            " WHERE customer_id = ANY($1::uuid[])",
            [customers],
        ),
        "charges": (
            f"FROM {billing}.entries WHERE amount > 0 AND customer_id = ANY($1::uuid[])",
            [customers],
        ),
        "lines": ("FROM ordering.order_lines WHERE product_id = $1::uuid", [product]),
    }
    counts = {
        name: await admin.fetchval(f"SELECT count(*) {query}", *arguments)
        for name, (query, arguments) in questions.items()
    }
    counts["taken from stock"] = STOCK - await admin.fetchval(
        "SELECT stock FROM catalog.products WHERE id = $1::uuid", product
    )
    counts["cents owed and paid"] = load.paid + await admin.fetchval(
        f"SELECT (sum(owed) * 100)::int FROM {billing}.accounts WHERE customer_id = ANY($1::uuid[])",
        customers,
    )
    await admin.close()
    return counts


async def jobs_done(url: str) -> None:
    """Wait until the queue is empty; what gave up stays in it, and so is found."""
    admin = await asyncpg.connect(url)
    async with asyncio.timeout(180):
        while await admin.fetchval("SELECT count(*) FROM queue.pgqueuer"):
            await asyncio.sleep(0.1)
    await admin.close()
