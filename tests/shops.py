"""A shop that runs, and what its customers and developers do."""

import json

from generated import Repository
from running import bearer, call

SQL = """
import asyncio, asyncpg
from app.development.database import development_settings

async def execute(url):
    connection = await asyncpg.connect(url)
    await connection.execute({sql!r})
    await connection.close()

with development_settings() as settings:
    asyncio.run(execute(settings.admin_url))
"""
AUDIT = """
import asyncio
from app.main import create_engine
from app.modules.billing.jobs import Audit, audit_ledger
from app.platform.database import Database
from app.development.database import development_settings

async def enqueue(settings):
    engine = create_engine(settings)
    async with Database(engine, "billing").transaction() as tx:
        await audit_ledger.enqueue(tx, Audit())
    await engine.dispose()

with development_settings() as settings:
    asyncio.run(enqueue(settings))
"""


class Shop:
    """A shop that runs, with a customer and something to sell."""

    def __init__(self, repository: Repository, address: str) -> None:
        self.repository, self.address = repository, address
        self._headers = bearer(repository, "catalog:write", "orders:ship")
        ada = self.post("/identity/customers", {"email": "ada@example.org", "name": "Ada"})
        pot = self.post("/catalog/products", {"sku": "POT", "name": "Teapot", "price": "1.50"})
        self.post(f"/catalog/products/{pot['id']}/deliveries", {"quantity": 1000})
        lines = [{"product_id": pot["id"], "quantity": 2}]
        self._order = {"customer_id": ada["id"], "lines": lines}

    def post(self, path: str, body: object) -> dict[str, str]:
        answer: dict[str, str] = json.loads(call(self.address + path, body, self._headers)[1])
        return answer

    def get(self, path: str) -> int:
        return call(self.address + path, headers=self._headers)[0]

    def order(self, number: int = 2) -> str:
        """Place an order; return its id. One of 700 is beyond the customer's limit."""
        lines = [{**self._order["lines"][0], "quantity": number}]
        return self.post("/ordering/orders", {**self._order, "lines": lines}).get("id", "")

    def execute(self, module: str, sql: str) -> None:
        """Change the database as the owner of a module's tables."""
        self._python(SQL.format(sql=f'SET ROLE "app__{module}__owner"; {sql}'))

    def audit(self) -> None:
        """Let the ledger be compared, now and not by the clock."""
        self._python(AUDIT)

    def _python(self, program: str) -> None:
        self.repository.run(str(self.repository.path / ".venv/bin/python"), "-c", program)
