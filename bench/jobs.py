"""What the queue costs beside a hand-written one: jobs per second, pick-up, enqueue.

    python bench/jobs.py

Generates a shop, and measures inside it (see `bench/inside/jobs.py`). Ratios of one run count; the
absolute numbers are those of the machine.
"""

import sys
import tempfile
from pathlib import Path

from boundary import ROOT, UV, run

JOBS = '''\
"""Jobs to measure with."""

import time
from dataclasses import dataclass

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
'''


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Path(folder, "shop")
        run(sys.executable, "-m", "scaffold", "new", str(shop), "--defaults", cwd=Path(folder))
        catalog = shop / "src/app/modules/catalog"
        with (catalog / "jobs.py").open("a") as jobs:
            jobs.write(JOBS)
        wiring = (catalog / "wiring.py").read_text()
        wiring = wiring.replace("import prepare_item", "import nothing, prepare_item, write")
        wiring = wiring.replace("[prepare_item]", "[nothing, prepare_item, write]")
        (catalog / "wiring.py").write_text(wiring)
        run(UV, "sync", "--quiet", cwd=shop)
        print(run(UV, "run", "python", str(ROOT / "bench/inside/jobs.py"), cwd=shop), end="")


if __name__ == "__main__":
    main()
