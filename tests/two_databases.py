"""A shop and its billing, a service, whose data move between two servers: as on a managed Postgres.

with moving(production, folder) as move:
    move.carve("copy")
    move.carve("cut")
"""

import asyncio
import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from balancing import balance
from customers import Load
from generated import UV, Repository
from replica import Server
from services import APP, Apart, apart

ADMIN, LOGIN, DATABASE = "admin", "shop", "shop"
FILL = """
    SET ROLE shop__billing__owner;
    INSERT INTO billing.accounts (customer_id, owner, owed, credit_limit)
    SELECT uuidv7(), 'ada', 0, 100 FROM generate_series(1, 1000);
    INSERT INTO billing.entries (id, customer_id, kind, amount, order_id, booked_at)
    SELECT uuidv7(), customer_id, 'payment', 0, NULL, now() - n * interval '1 second'
    FROM generate_series(1, {rows} / 1000) AS n, billing.accounts"""
"""Writes so many entries of accounts that nobody has, who paid nothing. Their ids rise, as those do that the
shop gives."""


@dataclass
class Move:
    """All that runs, and what an operator's shell holds."""

    site: Apart
    main: Server
    own: Server
    operator: Repository
    shop: Repository
    """The same, with what the rest of the shop has."""
    urls: dict[str, str] = field(default_factory=dict)
    """Of the admins, by which server."""
    typed: set[str] = field(default_factory=set)
    """Commands that were done, as a page would have them."""

    def carve(self, command: str, *options: str, check: bool = True) -> dict[str, Any]:
        """Run `app carve COMMAND billing`; return what it says as JSON, with its exit code."""
        done = subprocess.run(
            self.command(command, *options, "--json"),
            env=self.operator.environment,
            cwd=self.operator.path,
            capture_output=True,
            text=True,
            timeout=600,
        )
        said = json.loads(done.stdout) if done.stdout.strip() else {}
        assert not check or done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        if done.returncode == 0:
            self.typed.add(f"app {' '.join(self.command(command, *options)[1:])}")
        return {**said, "exit": done.returncode, "stderr": done.stderr}

    def migrate(self) -> None:
        """Migrate both databases, each as a deployment does."""
        for whose, options in ((self.shop, ()), (self.operator, ("--own",))):
            whose.run(str(whose.path / APP), "migrate", *options)
            self.typed.add(" ".join(("app migrate", *options)))

    def command(self, command: str, *options: str) -> list[str]:
        return [str(self.operator.path / APP), "carve", command, "billing", *options]

    def disturbed(
        self, seconds: float, disturb: Callable[[subprocess.Popen[bytes]], None], command: str
    ) -> None:
        """Do something to a command, or to whom it needs, after so long, and wait for its end."""
        process = subprocess.Popen(
            self.command(command),
            env=self.operator.environment,
            cwd=self.operator.path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        disturb(process)
        process.wait(300)

    def open_sides(self) -> list[str]:
        """Return which databases take writes of billing, as their fences have it."""
        return [name for name, url in self.urls.items() if asyncio.run(_takes_writes(url))]

    def check_books(self, load: Load) -> None:
        [side] = self.open_sides()
        own = self.urls["own"] if side == "own" else None
        asyncio.run(balance(self.urls["main"], load, own))


@contextmanager
def moving(shop: Repository, folder: Path, **settings: str) -> Iterator[Move]:
    """Run a shop whose billing has two databases, the data being in the first, while the block lasts.
    No admin is a superuser."""
    shop.run(UV, "sync", "--quiet")
    with ExitStack() as running:
        main, own = (running.enter_context(server(folder / name)) for name in ("main", "own"))
        urls = {"main": main.url(DATABASE, ADMIN), "own": own.url(DATABASE, ADMIN)}
        environment = {
            **shop.environment,
            "DATABASE_URL": main.url(DATABASE, LOGIN),
            "MIGRATION_DATABASE_URL": urls["main"],
            "SHUTDOWN_DELAY": "0",
            "RATE_LIMIT": "10000",
            "ENVIRONMENT": "development",
        }
        production = Repository(shop.path, environment)
        production.run(str(shop.path / APP), "migrate")
        service: dict[str, str] = {}

        def own_settings(login: str, url: str) -> dict[str, str]:
            password = url.partition("//")[2].partition("@")[0].partition(":")[2]
            asyncio.run(
                _run(own.url(), f"CREATE ROLE {login} LOGIN NOINHERIT PASSWORD '{password}'")
            )
            service["OWN_DATABASE_URL"] = (
                f"postgresql://{login}:{password}@127.0.0.1:{own.port}/{DATABASE}"
            )
            service["SERVICE_LOGINS"] = f"billing={login}"
            service["DATABASE_URL"], service["DATABASE_ROLES"] = url, LOGIN
            return {"OWN_DATABASE_URL": service["OWN_DATABASE_URL"]}

        logs = folder / "logs"
        logs.mkdir()
        site = running.enter_context(apart(production, logs, shop.path, own_settings, **settings))
        operator = {
            **environment,
            **service,
            "MODULES": "billing",
            "OWN_MIGRATION_DATABASE_URL": urls["own"],
        }
        yield Move(site, main, own, Repository(shop.path, operator), production, urls)


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Run a server with an admin, a login and a database while the block lasts."""
    password = secrets.token_hex(16)
    made = Server(folder, password, {"wal_level": "logical", "max_slot_wal_keep_size": "2GB"})
    given = folder / "password"
    given.write_text(password)
    os.chown(given, *(folder.stat().st_uid, folder.stat().st_gid))
    who = ("--username=postgres", "--auth=scram-sha-256", "--pwfile", given)
    try:
        made.run("initdb", "-D", made.data, *who, "--encoding=UTF8", "--locale=C")
        made.start()
        asyncio.run(
            _run(
                made.url(),
                f"CREATE ROLE {LOGIN} LOGIN NOINHERIT PASSWORD '{password}'",
                f"CREATE ROLE {ADMIN} LOGIN CREATEROLE CREATEDB REPLICATION PASSWORD '{password}'",
                f"GRANT pg_create_subscription, pg_monitor TO {ADMIN}",
                f"CREATE DATABASE {DATABASE} OWNER {ADMIN}",
            )
        )
        yield made
    finally:
        made.stop()


async def execute(url: str, statement: str) -> object:
    """Run a statement, or return what a SELECT of one value returns."""
    connection = await asyncpg.connect(url)
    try:
        if statement.lstrip().startswith("SELECT"):
            return await connection.fetchval(statement)
        return await connection.execute(statement)
    finally:
        await connection.close()


async def _run(url: str, *statements: str) -> None:
    admin = await asyncpg.connect(url)
    for each in statements:
        await admin.execute(each)
    await admin.close()


async def _takes_writes(url: str) -> bool:
    """Say whether a write to billing's accounts would pass. There may be no such table."""
    admin = await asyncpg.connect(url)
    try:
        async with admin.transaction():
            await admin.execute("SET LOCAL ROLE shop__billing__owner")
            await admin.execute("DELETE FROM billing.accounts WHERE false")
        return True
    except asyncpg.UndefinedTableError:
        return False
    except asyncpg.PostgresError as error:
        if error.sqlstate in ("SCV01", "42704", "3F000", "22023"):
            return False
        raise
    finally:
        await admin.close()
