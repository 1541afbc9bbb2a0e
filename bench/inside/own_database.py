"""Runs inside the generated example: its web server three times, each in one process.

All serve `identity` alone, and answer `GET …/customers/{id}`: one knows one database; one has
another for the module, and the data are in the main one still; and one whose data have moved there.
"""

import asyncio
import os
import statistics
import sys
from collections.abc import Mapping
from operator import truediv

import asyncpg
import edge
from app import modules
from app.development.database import create_login, development_server, with_database
from app.development.issuer import DevelopmentIssuer
from app.platform.migrations import migrate
from app.platform.wiring import discover
from edge import CALLER, CUSTOMER, LOGIN, NAME, ROUNDS, SECONDS, cpu_seconds, load, server
from report import report

PATH = f"/identity/customers/{CUSTOMER}"
GATES = """
    CREATE SCHEMA carving; GRANT USAGE ON SCHEMA carving TO PUBLIC;
    CREATE TABLE carving.gates (module text PRIMARY KEY, state text, is_own boolean);
    GRANT SELECT ON carving.gates TO PUBLIC;
    INSERT INTO carving.gates VALUES ('identity', '{state}', {is_own})"""
OURS = (sys.executable, edge.__file__, "serve", edge.APPLICATIONS["ours"])
ONE, MAIN_OPEN, OWN_OPEN = "one database", "another, main open", "another, own open"


async def main() -> None:
    with development_server() as admin_url:
        login_url = await create_login(admin_url, LOGIN)
        admin = await asyncpg.connect(admin_url)
        names = [f"{NAME}_{number}" for number in range(4)]
        try:
            for name in names:
                await admin.execute(f"CREATE DATABASE {name}")
                await fill(with_database(admin_url, name))
            urls = [with_database(login_url, name) for name in names]
            for name, state, is_own in ((names[2], "closed", False), (names[3], "open", True)):
                owner = await asyncpg.connect(with_database(admin_url, name))
                await owner.execute(GATES.format(state=state, is_own=is_own))
                await owner.close()
            environment = {
                **os.environ,
                "ENVIRONMENT": "development",
                "RATE_LIMIT": "1000000",
                "MODULES": "identity",
            }
            first, second, third = (
                {**environment, "DATABASE_URL": urls[0]},
                {**environment, "DATABASE_URL": urls[0], "OWN_DATABASE_URL": urls[1]},
                {**environment, "DATABASE_URL": urls[2], "OWN_DATABASE_URL": urls[3]},
            )
            with (
                server(OURS, first) as one,
                server(OURS, second) as main_open,
                server(OURS, third) as own_open,
            ):
                await compare({ONE: one, MAIN_OPEN: main_open, OWN_OPEN: own_open})
        finally:
            for name in names:
                await admin.execute(f"DROP DATABASE IF EXISTS {name}")
            await admin.close()


async def fill(url: str) -> None:
    """Make the tables, and one customer."""
    await migrate(url, LOGIN, discover(modules))
    owner = await asyncpg.connect(url)
    await owner.execute(
        f"SET ROLE {LOGIN}__identity__owner;"
        f"INSERT INTO identity.customers (id, owner, email, name)"
        f" VALUES ('{CUSTOMER}', '{CALLER}', 'ada@example.com', 'Ada')"
    )
    await owner.close()


async def compare(servers: Mapping[str, tuple[int, int]]) -> None:
    """Load each server in turn, and print its median requests per second, and what one costs."""
    token = DevelopmentIssuer().token(CALLER)
    rates: dict[str, list[float]] = {name: [] for name in servers}
    costs: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(ROUNDS + 1):
        for name, (port, process) in servers.items():
            before = cpu_seconds(process)
            requests = await load(f"http://127.0.0.1:{port}{PATH}", token)
            if number:  # The first round warms up.
                rates[name].append(requests / SECONDS)
                costs[name].append((cpu_seconds(process) - before) / requests * 1_000_000)
    rate = {name: statistics.median(found) for name, found in rates.items()}
    cost = {name: statistics.median(found) for name, found in costs.items()}
    # Of each round, since what else the machine does changes from one to the next.
    ratios = {
        name: statistics.median(map(truediv, rates[ONE], found)) for name, found in rates.items()
    }
    report(rates=rate, costs=cost, ratios=ratios)


if __name__ == "__main__":
    asyncio.run(main())
