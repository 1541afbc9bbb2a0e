"""The commands of docs/postgres.md, word by word: a shop is dumped and restored on an empty server.

Neither server has a superuser to offer: an admin with CREATEROLE is all there is, as on a managed one.
"""

import asyncio
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from documented import follow
from generated import Generate, Repository
from running import bearer, in_production, serving

pytestmark = pytest.mark.slow
MODULES = ("billing", "catalog", "identity", "ordering")
TABLES = """
    SELECT schemaname, tablename FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'platform') ORDER BY 1, 2
"""
STRUCTURE = """
    SELECT nspname, relname, relkind::text, relowner::regrole::text,
        nspowner::regrole::text, ARRAY(SELECT each::text FROM unnest(relacl) AS each ORDER BY 1),
        ARRAY(SELECT each::text FROM unnest(nspacl) AS each ORDER BY 1)
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = ANY($1::text[]) AND relkind <> 't' ORDER BY 1, 2
"""
SCHEMAS = [*MODULES, "queue", "requests"]


@pytest.fixture(scope="module")
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The admin of a server that has never seen the shop."""
    from app.development.local_postgres import local_postgres

    with local_postgres(tmp_path_factory.mktemp("empty") / "server") as url:
        yield url


@pytest.fixture(scope="module")
def shop(generate: Generate, postgres: str) -> Repository:
    """A shop in which things were ordered, and whose jobs wait for a worker."""
    shop = in_production(generate(example=True), postgres)
    headers = bearer(shop, "catalog:write")
    with (
        serving(shop, shop.path / "serve.log") as (_, url),
        httpx.Client(base_url=url, headers=headers, timeout=60) as client,
    ):

        def post(path: str, body: object) -> str:
            answer = client.post(path, json=body)
            assert answer.is_success, answer.text
            return str(answer.json()["id"])

        ada = post("/identity/customers", {"email": "ada@example.org", "name": "Ada"})
        tea = post("/catalog/products", {"sku": "TEA", "name": "Tea", "price": "1.50"})
        post(f"/catalog/products/{tea}/deliveries", {"quantity": 100})
        lines = [{"product_id": tea, "quantity": 2}]
        for _ in range(3):
            post("/ordering/orders", {"customer_id": ada, "lines": lines})
    return shop


@pytest.fixture(scope="module")
def dumped(shop: Repository, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the dump."""
    folder = tmp_path_factory.mktemp("backup")
    follow(shop, "Backups", folder)
    return folder


@pytest.fixture
def target(shop: Repository, empty_server: str) -> Repository:
    """The same shop, with an empty database on the other server."""
    return asyncio.run(_target(shop, empty_server))


async def _target(shop: Repository, server: str) -> Repository:
    login = shop.environment["DATABASE_URL"].split("//")[1].split(":")[0]
    name, password = f"restored_{uuid4().hex[:8]}", uuid4().hex
    admin = await asyncpg.connect(server)
    try:
        await admin.execute(f"CREATE ROLE {login} LOGIN NOINHERIT PASSWORD '{password}'")
    except asyncpg.DuplicateObjectError:
        await admin.execute(f"ALTER ROLE {login} PASSWORD '{password}'")
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    host = server.rpartition("@")[2].partition("/")[0]
    urls = {
        "DATABASE_URL": f"postgresql://{login}:{password}@{host}/{name}",
        "MIGRATION_DATABASE_URL": f"{server.rpartition('/')[0]}/{name}",
    }
    return Repository(shop.path, {**shop.environment, **urls})


def rows(shop: Repository) -> dict[str, object]:
    """Return, by table, a digest of its rows."""

    async def ask() -> dict[str, object]:
        admin = await asyncpg.connect(shop.environment["MIGRATION_DATABASE_URL"])
        found = {}
        for schema, table in await admin.fetch(TABLES):
            digest = (
                f"SELECT (count(*), md5(string_agg(t::text, '' ORDER BY t::text))) FROM \"{schema}\""
                f'."{table}" t'
            )
            found[f"{schema}.{table}"] = await admin.fetchval(digest)
        await admin.close()
        return found

    return asyncio.run(ask())


def structure(shop: Repository, schemas: list[str]) -> list[tuple[object, ...]]:
    """Return every table, index, sequence and view, whose it is, and who may do what with it."""

    async def ask() -> list[tuple[object, ...]]:
        admin = await asyncpg.connect(shop.environment["MIGRATION_DATABASE_URL"])
        found = [tuple(map(str, row)) for row in await admin.fetch(STRUCTURE, schemas)]
        await admin.close()
        return found

    return asyncio.run(ask())


def test_all_of_it_is_restored_with_owners_and_grants_and_the_shop_goes_on(
    shop: Repository, dumped: Path, target: Repository, tmp_path: Path
) -> None:
    before = rows(shop)
    follow(target, "Restore everything", dumped)
    assert rows(target) == before
    assert before["queue.pgqueuer"][0] > 0  # type: ignore[index]
    assert structure(target, SCHEMAS) == structure(shop, SCHEMAS)
    assert_walls(target)
    assert target.run(".venv/bin/app", "migrate").stdout == "Nothing to do.\n"
    with serving(target, tmp_path / "log") as (_, url):
        client = httpx.Client(base_url=url, headers=bearer(target), timeout=60)
        [tea] = client.get("/catalog/products").json()["items"]
        assert (tea["stock"], tea["price"]) == (94, "1.50")
        [ada] = {owner for owner, _ in ledger(target)}
        lines = [{"product_id": tea["id"], "quantity": 1}]
        order = {"customer_id": ada, "lines": lines}
        assert client.post("/ordering/orders", json=order).status_code == 201
        assert len(client.get(f"/ordering/orders?customer_id={ada}").json()["items"]) == 4
    worker = subprocess.Popen(
        [target.path / ".venv/bin/app", "worker"],
        env=target.environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        asyncio.run(queue_is_empty(target))
    finally:
        worker.terminate()
        worker.wait(60)
    assert sum(owed for _, owed in ledger(target)) == Decimal("10.50")


def test_the_tests_of_the_shop_pass_on_what_was_restored(
    dumped: Path, target: Repository, empty_server: str
) -> None:
    """Each test gets a clone of the restored database instead of one that was migrated from nothing:
    its tables, constraints, owners, grants and queue. Only the rows are taken out before."""
    follow(target, "Restore everything", dumped)
    url = target.environment["DATABASE_URL"]
    login, name = url.split("//")[1].split(":")[0], url.rpartition("/")[2]

    async def empty() -> None:
        admin = await asyncpg.connect(target.environment["MIGRATION_DATABASE_URL"])
        tables = [f'"{schema}"."{table}"' for schema, table in await admin.fetch(TABLES)]
        kept = [table for table in tables if "alembic_version" not in table]
        await admin.execute(f"TRUNCATE {', '.join(kept)}")
        await admin.close()

    asyncio.run(empty())
    conftest = target.read("conftest.py")
    target.replace("conftest.py", 'LOGIN = "app_test"', f'LOGIN = "{login}"')
    target.replace(
        "conftest.py", 'f"CREATE DATABASE {name}")', f'f"CREATE DATABASE {{name}} TEMPLATE {name}")'
    )
    target.replace("conftest.py", "asyncio.run(create_login(admin_url, LOGIN))", repr(url))
    tests = Repository(target.path, {**target.environment, "DATABASE_URL": empty_server})
    tests.environment.pop("MIGRATION_DATABASE_URL")
    try:
        assert " passed" in tests.pytest("src/app/modules").stdout
    finally:
        (target.path / "conftest.py").write_text(conftest)


def test_one_module_is_restored_and_the_others_are_there_and_empty(
    shop: Repository, dumped: Path, target: Repository
) -> None:
    follow(target, "Restore one module", dumped)
    before, after = rows(shop), rows(target)
    assert {name: each for name, each in after.items() if name.startswith("billing.")} == {
        name: each for name, each in before.items() if name.startswith("billing.")
    }
    assert after["ordering.orders"] == after["queue.pgqueuer"] == (0, None)
    assert structure(target, SCHEMAS) == structure(shop, SCHEMAS)
    assert_walls(target)


def assert_walls(shop: Repository) -> None:
    """Assert that each module reads its own tables and nobody else's, and the login none."""

    async def knock() -> None:
        login = await asyncpg.connect(shop.environment["DATABASE_URL"])
        user = await login.fetchval("SELECT current_user")
        tables = {"billing": "entries", "catalog": "products", "ordering": "orders"}
        for role in (None, *tables):
            for schema, table in tables.items():
                allowed = role == schema
                async with login.transaction():
                    if role:
                        await login.execute(f'SET LOCAL ROLE "{user}__{role}"')
                    try:
                        async with login.transaction():
                            await login.fetch(f"TABLE {schema}.{table}")
                    except asyncpg.InsufficientPrivilegeError:
                        assert not allowed, (role, schema)
                    else:
                        assert allowed, (role, schema)
        await login.close()

    asyncio.run(knock())


def ledger(shop: Repository) -> list[tuple[str, Decimal]]:
    async def ask() -> list[tuple[str, Decimal]]:
        admin = await asyncpg.connect(shop.environment["MIGRATION_DATABASE_URL"])
        found = await admin.fetch("SELECT customer_id::text, owed FROM billing.accounts")
        await admin.close()
        return [tuple(row) for row in found]

    return asyncio.run(ask())


async def queue_is_empty(shop: Repository) -> None:
    admin = await asyncpg.connect(shop.environment["MIGRATION_DATABASE_URL"])
    async with asyncio.timeout(180):
        while await admin.fetchval("SELECT count(*) FROM queue.pgqueuer"):
            await asyncio.sleep(0.1)
    await admin.close()
