"""`app worker` and `app jobs`, as whoever is on call meets them."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from generated import UV, Generate, Repository

JOBS = '''\
"""A job that fails as often as it is told to."""

import asyncio
import os
from dataclasses import dataclass

from app.platform.database import Tx
from app.platform.jobs import job

from .tables import ItemRow


@dataclass(frozen=True)
class Work:
    name: str
    fail: bool = False
    seconds: float = 0
    die: bool = False


@job(retries=0)
async def work(tx: Tx, work: Work) -> None:
    if work.die:
        os._exit(9)
    tx.add(ItemRow(owner="me", name=work.name))
    await asyncio.sleep(work.seconds)
    if work.fail:
        raise ValueError("no, thank you")
'''
ENQUEUE = """
import asyncio, sys
from app.main import create_engine, load_settings
from app.modules.catalog.jobs import Work, work
from app.platform.database import Database

async def main():
    engine = create_engine(load_settings())
    async with Database(engine, "catalog").transaction() as tx:
        await work.enqueue(tx, Work({name!r}, {fail}, {seconds}, {die}))
    await engine.dispose()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def shop(generate: Generate, postgres: str) -> Repository:
    """A repository with a job, and a migrated database of its own."""
    shop = generate(modules="[catalog]")
    with (shop.path / "src/app/modules/catalog/jobs.py").open("a") as jobs:
        jobs.write(JOBS)
    wiring = "src/app/modules/catalog/wiring.py"
    shop.replace(wiring, "import prepare_item", "import prepare_item, work")
    shop.replace(wiring, "jobs=[prepare_item]", "jobs=[prepare_item, work]")
    login, password, database = f"l{uuid4().hex[:8]}", uuid4().hex, f"test_{uuid4().hex}"

    async def create() -> None:
        admin = await asyncpg.connect(postgres)
        await admin.execute(f"CREATE ROLE {login} LOGIN NOINHERIT PASSWORD '{password}'")
        await admin.execute(f"CREATE DATABASE {database}")
        await admin.close()

    asyncio.run(create())
    parts = urlsplit(postgres)
    shop.environment = {
        **shop.environment,
        "DATABASE_URL": urlunsplit(
            parts._replace(
                netloc=f"{login}:{password}@{parts.hostname}:{parts.port}", path=database
            )
        ),
        "MIGRATION_DATABASE_URL": urlunsplit(parts._replace(path=database)),
    }
    shop.run(UV, "sync", "--quiet")
    refused = app(shop, "worker", check=False)
    assert (refused.returncode, "Run `app migrate`" in refused.stdout) == (1, True)
    app(shop, "migrate")
    return shop


def app(shop: Repository, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = shop.run(str(shop.path / ".venv/bin/app"), *arguments, check=False)
    if check:
        assert done.returncode == 0, done.stdout
    return done


def enqueue(shop: Repository, *, fail: bool = False, seconds: float = 0, die: bool = False) -> str:
    """Enqueue a job; return its id."""
    program = ENQUEUE.format(name=uuid4().hex, fail=fail, seconds=seconds, die=die)
    shop.run(str(shop.path / ".venv/bin/python"), "-c", program)
    return str(listed(shop)[-1]["id"])


def listed(shop: Repository, *arguments: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(
        app(shop, "jobs", "list", "--json", *arguments).stdout
    )
    return found


@contextmanager
def worker(shop: Repository, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [shop.path / ".venv/bin/app", "worker"],
        cwd=shop.path,
        env={**shop.environment, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)


def wait_for(shop: Repository, id: str, state: str | None) -> None:
    """Wait until a job is in a state; None: until it is gone."""
    statuses = {"running": "picked", "held": "failed", None: None}

    async def watch() -> None:
        url = shop.environment["DATABASE_URL"]
        role = f"{urlsplit(url).username}__queue"
        connection = await asyncpg.connect(url, server_settings={"role": role})
        async with asyncio.timeout(60):
            while (
                await connection.fetchval(
                    "SELECT status::text FROM queue.pgqueuer WHERE id = $1", int(id)
                )
                != statuses[state]
            ):
                await asyncio.sleep(0.05)
        await connection.close()

    asyncio.run(watch())


def test_a_job_that_gives_up_is_held_shown_retried_and_dropped(shop: Repository) -> None:
    id = enqueue(shop, fail=True)
    counted = "catalog 1 waiting 0 running 0 held 0 unknown"
    assert app(shop, "jobs", "count").stdout.split() == counted.split()
    with worker(shop) as process:
        wait_for(shop, id, "held")
        [held] = listed(shop, "--state", "held", "--module", "catalog")
        assert (held["name"], held["failed"]) == ("catalog.work", 1)
        assert held["error"] == "ValueError: no, thank you"
        assert "  failed once  ValueError" in app(shop, "jobs", "list").stdout
        assert listed(shop, "--state", "running") == []
        assert json.loads(app(shop, "jobs", "count", "--json").stdout)["catalog"]["held"] == 1
        shown = app(shop, "jobs", "show", id).stdout
        assert 'arguments  {"name":' in shown
        assert "raise ValueError" in shown
        history = json.loads(app(shop, "jobs", "show", id, "--json").stdout)["history"]
        assert [step["what"] for step in history] == ["waiting", "running", "held"]
        assert app(shop, "jobs", "retry", id).stdout == f"Enqueued again: {id}.\n"
        deadline = time.monotonic() + 120
        while len(json.loads(app(shop, "jobs", "show", id, "--json").stdout)["history"]) < 6:
            assert time.monotonic() < deadline
        wait_for(shop, id, "held")
        process.terminate()
        assert process.wait(timeout=60) == 0
    assert app(shop, "jobs", "drop", "--module", "catalog").stdout == f"Dropped: {id}.\n"
    assert app(shop, "jobs", "list", "--module", "catalog").stdout == "There are no such jobs.\n"
    assert app(shop, "jobs", "retry", "--module", "catalog").stdout == "None is held.\n"


def test_a_worker_that_is_stopped_ends_what_it_runs(shop: Repository) -> None:
    id = enqueue(shop, seconds=5)
    with worker(shop) as process:
        wait_for(shop, id, "running")
        process.terminate()
        assert process.wait(timeout=60) == 0
    assert listed(shop) == []


def test_a_worker_hands_on_what_does_not_end_in_time(shop: Repository) -> None:
    id = enqueue(shop, seconds=25)
    with worker(shop, WORKER_DRAIN_TIMEOUT="0.5") as process:
        wait_for(shop, id, "running")
        assert app(shop, "jobs", "drop", id, check=False).returncode == 1
        process.terminate()
        assert process.wait(timeout=60) == 0
    assert listed(shop)[-1]["state"] == "waiting"
    app(shop, "jobs", "drop", id)


def test_a_killed_workers_job_is_done_by_the_next(shop: Repository) -> None:
    id = enqueue(shop, seconds=5)
    silence = {"WORKER_LOST_AFTER": "2"}
    with worker(shop, **silence) as process:
        wait_for(shop, id, "running")
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    with worker(shop, **silence):
        wait_for(shop, id, None)


def test_a_job_that_kills_each_worker_is_held_and_those_beside_it_end(shop: Repository) -> None:
    before, deadly, after = (enqueue(shop, seconds=0.2, die=die) for die in (False, True, False))
    killed = 0
    while killed < 5:
        with worker(shop, WORKER_LOST_AFTER="1") as process:
            assert process.wait(timeout=60) == 9
            killed += 1
    with worker(shop, WORKER_LOST_AFTER="1"):
        wait_for(shop, deadly, "held")
        for id in (before, after):
            wait_for(shop, id, None)
    assert "5 workers that ran catalog.work died" in app(shop, "jobs", "show", deadly).stdout
    app(shop, "jobs", "drop", deadly)


def test_a_job_whose_code_is_gone_is_shown_and_waits_until_it_is_dropped_or_comes_back(
    shop: Repository,
) -> None:
    wiring, listed_there = "src/app/modules/catalog/wiring.py", "jobs=[prepare_item, work]"
    file = "src/app/modules/catalog/jobs.py"
    [id] = [enqueue(shop)]
    assert app(shop, "jobs", "drop", "--unknown").stdout == "None is unknown.\n"
    shop.replace(file, "async def work(", "async def labour(")
    shop.replace(wiring, "import prepare_item, work\n", "import labour, prepare_item\n")
    shop.replace(wiring, listed_there, "jobs=[labour, prepare_item]")
    counted = "catalog 0 waiting 0 running 0 held 1 unknown"
    assert app(shop, "jobs", "count").stdout.split() == counted.split()
    [unknown] = listed(shop, "--state", "unknown")
    assert (str(unknown["id"]), unknown["state"]) == (id, "unknown")
    with worker(shop) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, b"")
        assert any(b"1 jobs wait for catalog.work, which this version" in line for line in lines)
        process.terminate()
    assert str(listed(shop)[0]["id"]) == id
    assert app(shop, "jobs", "drop", "--unknown").stdout == f"Dropped: {id}.\n"
    shop.replace(file, "async def labour(", "async def work(")
    shop.replace(wiring, "import labour, prepare_item\n", "import prepare_item, work\n")
    shop.replace(wiring, "jobs=[labour, prepare_item]", listed_there)


def test_of_held_jobs_with_one_key_one_runs_again_and_the_others_are_named(
    shop: Repository,
) -> None:
    async def hold() -> list[int]:
        admin = await asyncpg.connect(shop.environment["MIGRATION_DATABASE_URL"])
        rows = await admin.fetch(
            "INSERT INTO queue.pgqueuer (priority, status, entrypoint, dedupe_key)"
            " SELECT 0, 'failed', 'catalog.work', 'catalog.work k' FROM generate_series(1, 3)"
            " RETURNING id"
        )
        await admin.close()
        return [row["id"] for row in rows]

    one, two, three = asyncio.run(hold())
    both = app(shop, "jobs", "retry", str(two), str(three), check=False)
    assert both.returncode == 1
    assert f"job {two} has the same key as job {three}, which is held as well" in both.stdout
    done = app(shop, "jobs", "retry", "--module", "catalog", "--json").stdout
    others = {"key": "catalog.work k", "other": three, "other_state": "held"}
    assert json.loads(done) == {
        "enqueued": [three],
        "left": [{"id": two, **others}, {"id": one, **others}],
    }
    again = app(shop, "jobs", "retry", "--module", "catalog", check=False)
    assert again.returncode == 1
    assert again.stdout.splitlines() == [
        f"Left held: job {id} has the same key as job {three}, which waits." for id in (two, one)
    ]
    dropped = app(shop, "jobs", "drop", "--module", "catalog", "--json").stdout
    assert json.loads(dropped) == {"dropped": [one, two]}
    assert app(shop, "jobs", "drop", str(three)).stdout == f"Dropped: {three}.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "999999"], 1, "app: There is no job 999999 in the queue"),
        (["retry", "999999"], 1, "app: There is no job 999999 in the queue"),
        (["drop"], 2, "say which jobs"),
        (["retry", "1", "--module", "catalog"], 2, "say which jobs"),
        (["retry", "one"], 2, "valid integer"),
        (["list", "--state", "lost"], 2, ": 'lost' is not one of waiting, running, held, unknown."),
        (["list", "--module", "nope"], 1, "app: There is no module nope. `app modules` lists"),
        (["retry", "--module", "nope"], 1, "app: There is no module nope. `app modules` lists"),
        (["drop", "--module", "nope"], 1, "app: There is no module nope. `app modules` lists"),
    ],
)
def test_bad_input_gets_one_clear_sentence(
    shop: Repository, arguments: list[str], code: int, said: str
) -> None:
    done = app(shop, "jobs", *arguments, check=False)
    assert said in done.stdout
    assert "Traceback" not in done.stdout
    assert done.returncode == code


@pytest.mark.parametrize("command", ["list", "count", "show", "retry", "drop"])
def test_each_command_explains_itself_with_an_example(shop: Repository, command: str) -> None:
    assert f"Example: app jobs {command}" in app(shop, "jobs", command, "--help").stdout
