"""The queue, beside procrastinate and beside a bare SKIP LOCKED loop.

Jobs per second with one and two processes, the time from the caller's COMMIT to a job's first line,
what a transaction that writes a job costs, and how long a job lies whose worker got `kill -9`. The
bare loop is what one writes by hand: a table, ten jobs taken at once; without retries, log and
limits. All run the same functions in the same transactions, on one Postgres whose commits wait for
the disk; ours and procrastinate run ten at once.
"""

from pathlib import Path

from .measuring import UV, folder, inside, progress, run, shop
from .results import Found, Plot, Table
from .tables import Cell

JOBS = '''\
"""Jobs to measure with."""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from app.platform.database import Tx
from app.platform.jobs import job

from .tables import ItemRow

picked_up: list[float] = []


@dataclass(frozen=True)
class Work:
    name: str


@job()
async def nothing(tx: Tx, work: Work) -> None:
    picked_up.append(time.perf_counter())


@job()
async def write(tx: Tx, work: Work) -> None:
    tx.add(ItemRow(owner="me", name=work.name))


@job()
async def hang(tx: Tx, work: Work) -> None:
    with Path(work.name).open("a") as file:
        file.write(f"{os.getpid()}\\n")
    await asyncio.sleep(600)
'''
SIDES = ("bare", "procrastinate", "ours")


def measure() -> Found:
    with folder() as work:
        progress("  generating a repository")
        at = shop(work / "shop")
        add_jobs(at / "src/app/modules/catalog")
        peers = ("procrastinate>=3.10,<4", "psycopg[binary,pool]")
        run(UV, "pip", "install", "--quiet", "--python", ".venv", *peers, cwd=at)
        found = inside("jobs.py", at)
    throughput, pick_up, enqueue = found["throughput"], found["pick_up"], found["enqueue"]
    rows: list[list[Cell]] = [
        [f"jobs per second {what}", *(rates[side] for side in SIDES), rates["ours"] / rates["bare"]]
        for what, rates in throughput.items()
    ]
    for number, percentile in enumerate(("p50", "p99")):
        delays = [pick_up[side][number] for side in SIDES]
        rows.append([f"pick-up, {percentile}, ms", *delays, None])
    ratio = enqueue["ours"] / enqueue["bare"]
    rows.append(["a transaction that writes a job, µs", *(enqueue[side] for side in SIDES), ratio])
    recovery = [
        f"{seconds:.0f}" if (seconds := found["recovery"][side]) else "never"
        for side in ("bare", "procrastinate", "procrastinate, reaped", "ours")
    ]
    bare, alone, reaped, ours = recovery
    theirs = f"{alone} ({reaped} with a reaper)"
    rows.append(["run again after kill -9, s", bare, theirs, ours, None])
    first = "that do nothing, 1 process"
    return (
        [Table("The queue", ["", *SIDES, "ours to bare"], rows)],
        Plot(
            "Jobs that do nothing, one process",
            "jobs per second",
            [(side, throughput[first][side], side == "ours") for side in SIDES],
        ),
        {
            "least": min(rates["ours"] / rates["bare"] for rates in throughput.values()),
            "pick-up": pick_up["ours"][1],
            "enqueue": ratio,
            "recovery": found["recovery"]["ours"] or float("inf"),
        },
        [
            "procrastinate 3.10 writes a job in a transaction of its own here, while ours and the"
            " bare one write it in the caller's: it exists only if the caller's data do.",
            "“never”: not within a minute. procrastinate leaves to its user to ask for stalled jobs"
            " and to retry them; the reaper does so every second, after the 30 s that are its"
            " default. Ours waits for WORKER_LOST_AFTER, 10 s by default.",
            "The bare loop asks Postgres a thousand times a second; the others are told.",
        ],
    )


def add_jobs(catalog: Path) -> None:
    with (catalog / "jobs.py").open("a") as jobs:
        jobs.write(JOBS)
    wiring = (catalog / "wiring.py").read_text()
    wiring = wiring.replace("import prepare_item", "import hang, nothing, prepare_item, write")
    wiring = wiring.replace("[prepare_item]", "[hang, nothing, prepare_item, write]")
    (catalog / "wiring.py").write_text(wiring)
