"""A column is renamed while the shop serves: expand, write both, copy, read the new one, know the new
one only, contract.

Two instances behind HAProxy, two workers, a primary and a replica, customers without a pause. Old and
new code run side by side at every step, and no request may fail. Needs HAProxy (Debian: apt-get
install haproxy); where it is missing the test fails and says so.
"""

import asyncio
import os
import random
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from customers import Load, books, jobs_done
from generated import ROOT, UV, Generate, Repository
from running import bearer

sys.path.append(str(ROOT / "examples"))

from two_instances import LOGIN, Site, site

pytestmark = pytest.mark.system
CATALOG = "src/app/modules/catalog"
RENAMED = 'f"Tea, delivered {row.stock}"'
COPY = '''\
"""Jobs of the catalog."""

from dataclasses import dataclass

from sqlalchemy import func, select, update

from app.platform.database import Tx
from app.platform.jobs import job

from .tables import ProductRow

BATCH = 20


@dataclass(frozen=True, slots=True)
class Copy:
    """Nothing is to be known."""


@job()
async def copy_names(tx: Tx, _copy: Copy) -> None:
    """Copy names to titles, some rows at a time; the rest is another job's."""
    differs = ProductRow.title.is_distinct_from(ProductRow.name)
    missing = select(ProductRow.id).where(differs).limit(BATCH)
    await tx.execute(
        update(ProductRow)
        .where(ProductRow.id.in_(missing.with_for_update(skip_locked=True)))
        .values(title=ProductRow.name)
    )
    if await tx.scalar(select(func.count()).where(differs)):
        await copy_names.enqueue(tx, Copy())
'''
ENQUEUE = """
import asyncio
from app.main import create_engine
from app.modules.catalog.jobs import Copy, copy_names
from app.platform.database import Database
from app.platform.settings import load_settings

async def enqueue():
    engine = create_engine(load_settings())
    async with Database(engine, "catalog").transaction() as tx:
        await copy_names.enqueue(tx, Copy())
    await engine.dispose()

asyncio.run(enqueue())
"""


@dataclass
class Shelf:
    """Somebody who puts products on the shelf, looks at them and renames them, whatever runs."""

    url: str
    headers: dict[str, str]
    wrong: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """What each product was called last, by its id."""
    count: int = 0

    @contextmanager
    def stocked(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._stock, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _stock(self, stop: threading.Event) -> None:
        with httpx.Client(base_url=self.url, headers=self.headers, timeout=60) as client:
            while not stop.wait(0.1):
                name = f"Tea {uuid4().hex[:8]}"
                made = client.post(
                    "/catalog/products",
                    json={"sku": name.upper().replace(" ", "-"), "name": name, "price": "1.00"},
                )
                shown = made
                if made.status_code == 201:
                    shown = client.get(f"/catalog/products/{made.json()['id']}")
                self.count += 2
                if not shown.is_success or shown.json()["name"] != name:
                    self.wrong.append(f"{shown.status_code} {shown.text}")
                    continue
                self.names[shown.json()["id"]] = name
                self._rename(client, random.choice(list(self.names)[-20:]))

    def _rename(self, client: httpx.Client, product: str) -> None:
        renamed = client.post(f"/catalog/products/{product}/deliveries", json={"quantity": 1})
        self.count += 1
        if not renamed.is_success or renamed.json()["name"] == self.names[product]:
            self.wrong.append(f"{renamed.status_code} {renamed.text}")
            return
        self.names[product] = renamed.json()["name"]


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    if shutil.which("haproxy") is None:
        pytest.fail("this test needs HAProxy: apt-get install haproxy")
    shop = generate(example=True)
    shop.run(UV, "sync", "--quiet")
    # Nothing in the example renames a product: here, each delivery does.
    stock = "            row.stock += quantities[row.id]\n"
    shop.replace(f"{CATALOG}/service.py", stock, f"{stock}            row.name = {RENAMED}\n")
    shop.commit()
    return shop


def migrate(shop: Repository, running: Site) -> str:
    """Run `app migrate` of the code as it stands; return what it said."""
    urls = {
        "DATABASE_URL": running.primary.url("shop", LOGIN),
        "MIGRATION_DATABASE_URL": running.primary.url("shop"),
        "ENVIRONMENT": "development",
    }
    migrating = Repository(shop.path, {**shop.environment, **urls})
    return migrating.run(".venv/bin/app", "migrate").stdout


def write_migration(shop: Repository, number: int, operation: str, more: str = "") -> None:
    (shop.path / CATALOG / f"migrations/{number:04}_change.py").write_text(
        f'"""Change products.\n\nRevision: {number:04}\nRevises: {number - 1:04}\n"""\n\n'
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        f'revision = "{number:04}"\ndown_revision = "{number - 1:04}"\n{more}\n\n'
        f"def upgrade() -> None:\n    {operation}\n"
    )


def roll_out(running: Site) -> None:
    """Bring the code as it stands to every process, one instance after the other."""
    for worker in running.workers:
        worker.stop()
        worker.start()
    running.restart_instances()


def test_a_column_is_renamed_under_load_and_no_request_fails(
    shop: Repository, tmp_path: Path, record_property: Callable[[str, float], None]
) -> None:
    for each in (tmp_path, *tmp_path.parents[:2]):
        each.chmod(0o755)
    headers = bearer(shop, "catalog:write")
    with site(shop.path, tmp_path, RATE_LIMIT="10000", SHUTDOWN_DELAY="3") as running:
        load, shelf = Load(running.url, headers, thinking=0.2), Shelf(running.url, headers)
        with load.shopping(2), shelf.stocked():
            load.succeed(50)
            change(shop, running, load)
            load.succeed(50)
        asyncio.run(jobs_done(running.primary.url("shop")))
        counts = asyncio.run(books(running.primary.url("shop"), load))
        said = asyncio.run(columns(running.primary.url("shop")))
        titles = asyncio.run(titles_of(running.primary.url("shop"), list(shelf.names)))
    print(f"\nA column renamed: {load.told()}; {shelf.count} more for {len(shelf.names)} products")
    record_property("figure", len(load.failed))
    assert load.failed == []
    assert shelf.wrong == []
    assert titles == shelf.names
    assert counts.pop("orders") == len(load.orders)
    assert set(counts.values()) == {len(load.orders)}, counts
    assert said == ["id", "price", "sku", "stock", "title"]
    checked = shop.run(".venv/bin/python", "-m", "checks.migrations", "HEAD")
    assert checked.stdout == ""


def change(shop: Repository, running: Site, load: Load) -> None:
    """Rename `name` to `title`, as docs/postgres.md says."""
    tables, service = f"{CATALOG}/tables.py", f"{CATALOG}/service.py"

    # Expand, while the first version serves.
    add = 'op.add_column("products", sa.Column("title", sa.String()), schema="catalog")'
    write_migration(shop, 2, add)
    assert migrate(shop, running) == "applied catalog 0002\n"
    load.succeed(50)

    # Write both, and read the old one: the release before writes no other.
    name, title = "    name: Mapped[str]\n", "    title: Mapped[str | None]\n"
    shop.replace(tables, name, name + title)
    shop.replace(service, "name=name, price", "name=name, title=name, price")
    shop.replace(service, f"row.name = {RENAMED}", f"row.name = row.title = {RENAMED}")
    (shop.path / CATALOG / "jobs.py").write_text(COPY)
    wiring = f"{CATALOG}/wiring.py"
    shop.replace(wiring, "from .routes", "from .jobs import copy_names\nfrom .routes")
    shop.replace(wiring, "routes=routes)", "routes=routes, jobs=[copy_names])")
    roll_out(running)
    load.succeed(50)

    # Copy, by a job, some rows at a time, when all that runs writes both.
    urls = {"DATABASE_URL": running.primary.url("shop", LOGIN), "ENVIRONMENT": "development"}
    copying = Repository(shop.path, {**os.environ, **urls})
    copying.run(".venv/bin/python", "-c", ENQUEUE)
    asyncio.run(copied(running.primary.url("shop")))

    # Read the new one, and write both still: the release before reads the old one.
    shop.replace(service, "row.sku, row.name, row.price", "row.sku, row.title, row.price")
    shop.replace(service, "{row.name} ({row.sku})", "{row.title} ({row.sku})")
    roll_out(running)
    load.succeed(50)

    # Nobody reads the old one any more: it may be missing.
    may = 'allowed = {"ban-drop-not-null": "The release that runs reads the title."}'
    relax = 'op.alter_column("products", "name", nullable=True, schema="catalog")'
    write_migration(shop, 3, relax, may)
    assert migrate(shop, running) == "applied catalog 0003\n"

    # Know the new one only.
    shop.replace(tables, name + title, "    title: Mapped[str]\n")
    shop.replace(service, "name=name, title=name, price", "title=name, price")
    shop.replace(service, f"row.name = row.title = {RENAMED}", f"row.title = {RENAMED}")
    (shop.path / CATALOG / "jobs.py").unlink()
    shop.run("git", "checkout", "--quiet", wiring)
    roll_out(running)
    load.succeed(50)

    # Contract, when nothing that runs mentions the old one.
    may = 'allowed = {"ban-drop-column": "No release that runs mentions it."}'
    drop = 'op.drop_column("products", "name", schema="catalog")'
    write_migration(shop, 4, drop, may)
    assert migrate(shop, running) == "applied catalog 0004\n"


async def copied(url: str) -> None:
    """Wait until every product's title is its name."""
    admin = await asyncpg.connect(url)
    query = "SELECT count(*) FROM catalog.products WHERE title IS DISTINCT FROM name"
    async with asyncio.timeout(180):
        while await admin.fetchval(query):
            await asyncio.sleep(0.1)
    await admin.close()


async def titles_of(url: str, products: list[str]) -> dict[str, str]:
    admin = await asyncpg.connect(url)
    query = "SELECT id::text, title FROM catalog.products WHERE id = ANY($1::uuid[])"
    found = {row["id"]: row["title"] for row in await admin.fetch(query, products)}
    await admin.close()
    return found


async def columns(url: str) -> list[str]:
    admin = await asyncpg.connect(url)
    query = """SELECT column_name FROM information_schema.columns
        WHERE table_schema = 'catalog' AND table_name = 'products' ORDER BY 1"""
    found = [row[0] for row in await admin.fetch(query)]
    await admin.close()
    return found
