"""`app slow` on the running example, and on servers that count nothing."""

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest
from generated import UV, Repository
from replica import primary_and_replica
from running import bearer, call, running


@pytest.fixture(scope="module")
def shop(example: Repository) -> Repository:
    """The example, with a Postgres of its own."""
    environment = {k: v for k, v in example.environment.items() if k != "DATABASE_URL"}
    shop = Repository(example.path, environment)
    shop.run(UV, "sync", "--quiet")
    return shop


def app(shop: Repository, *arguments: str, **environment: str) -> tuple[int, str]:
    changed = Repository(shop.path, {**shop.environment, **environment})
    done = changed.run(str(shop.path / ".venv/bin/app"), *arguments, check=False)
    return done.returncode, done.stdout


def test_the_statements_of_a_running_shop_are_listed_by_module(shop: Repository) -> None:
    with running(shop) as (_process, url):
        token = bearer(shop, "catalog:write")
        product = {"sku": "CANARY-7", "name": "Canary tea", "price": "1.00"}
        assert call(f"{url}/catalog/products", product, token)[0] == 201
        for _ in range(3):
            assert call(f"{url}/catalog/products", headers=token)[0] == 200
        code, printed = app(shop, "slow", "--module", "catalog")
        assert code == 0, printed
        assert "INSERT INTO catalog.products" in printed
        assert "plan  " in printed
        assert "\x1b" not in printed
        code, listed = app(shop, "slow", "--json", "--limit", "50")
        assert code == 0, listed
    slow = json.loads(listed)
    assert {"catalog", "queue"} <= {each["module"] for each in slow}
    [insert] = [each for each in slow if each["statement"].startswith("INSERT INTO catalog.pro")]
    assert (insert["calls"], insert["rows_per_call"], insert["cure"]) == (1, 1, None)
    assert insert["plan"].startswith("Insert on catalog.products")
    assert "anary" not in listed


def test_where_postgres_counts_nothing_everything_else_works_and_a_sentence_says_why(
    shop: Repository, tmp_path: Path
) -> None:
    with primary_and_replica(tmp_path) as (server, _):
        execute(
            server.url(),
            f"CREATE ROLE boss LOGIN CREATEROLE PASSWORD '{server.password}'",
            f"CREATE ROLE shop LOGIN NOINHERIT PASSWORD '{server.password}'",
            "CREATE DATABASE shop OWNER boss",
        )
        settings = {
            "DATABASE_URL": server.url("shop", "shop"),
            "MIGRATION_DATABASE_URL": server.url("shop", "boss"),
        }
        without = "This database has no extension pg_stat_statements: add it to"
        code, migrated = app(shop, "migrate", **settings)
        assert code == 0, migrated
        assert migrated.splitlines()[-1].startswith(f"`app slow` will find nothing. {without}")
        code, printed = app(shop, "slow", **settings)
        assert (code, printed.count("\n")) == (1, 1)
        assert printed.startswith(f"app: {without}")

        execute(server.url("shop"), "CREATE EXTENSION pg_stat_statements")
        not_loaded = "Postgres counts no statements: add pg_stat_statements to shared_preload"
        assert f"nothing. {not_loaded}" in app(shop, "migrate", **settings)[1]
        assert app(shop, "slow", **settings)[1].startswith(f"app: {not_loaded}")


def execute(url: str, *statements: str) -> None:
    async def send() -> None:
        connection = await asyncpg.connect(url)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(send())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--module", "nothing"], 1, "app: There is no module nothing. `app modules` lists them."),
        (["--limit", "0"], 2, "Error"),
        ([], 1, "app: DATABASE_URL: is not set"),
    ],
)
def test_bad_input_gets_one_clear_sentence(
    shop: Repository, arguments: list[str], code: int, said: str
) -> None:
    done = app(shop, "slow", *arguments)
    assert said in done[1]
    assert "Traceback" not in done[1]
    assert done[0] == code


def test_it_explains_itself_with_an_example(shop: Repository) -> None:
    assert "Example: app slow --module billing" in app(shop, "slow", "--help")[1]
