"""A release adds a field to an event: while it is rolled out, and back, no job is held and none lost."""

import asyncio
import json
import shutil
from pathlib import Path

import asyncpg
import pytest
from generated import Generate, Repository
from running import eventually, in_production, working

IDENTITY = "app/modules/identity/__init__.py"
FIELD = "    owner: str\n"
PUBLISH = """
import asyncio
from uuid import uuid4
from app import modules
from app.modules.identity import CustomerRegistered
from app.platform.database import Database
from app.platform.wiring import discover
from app.platform.database import create_engine
from app.platform.jobs import Events
from app.platform.settings import load_settings
from app.platform.wiring import wire

async def main():
    engine = create_engine(load_settings())
    events = wire(discover(modules), engine)[Events]
    async with Database(engine, "identity").transaction() as tx:
        for _ in range(20):
            await events.publish(tx, CustomerRegistered(uuid4(), "ada"{more}))
    await engine.dispose()

asyncio.run(main())
"""
COUNTS = """SELECT (SELECT count(*) FROM billing.accounts),
    (SELECT count(*) FROM queue.pgqueuer WHERE entrypoint LIKE '%@%'),
    (SELECT count(*) FROM queue.pgqueuer WHERE entrypoint NOT LIKE '%@%'),
    (SELECT count(*) FROM queue.pgqueuer_log WHERE status IN ('failed', 'exception'))"""


@pytest.fixture(scope="module")
def before(generate: Generate, postgres: str) -> Repository:
    """The release that runs."""
    return in_production(generate(example=True), postgres)


@pytest.fixture(scope="module")
def after(before: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The next one: the event has one field more, which has a default."""
    source = tmp_path_factory.mktemp("release") / "src"
    shutil.copytree(before.path / "src", source)
    module = source / IDENTITY
    text = module.read_text()
    event = text.index("class CustomerRegistered")
    assert FIELD in text[event:]
    more = text[event:].replace(FIELD, f"{FIELD}    newsletter: bool = False\n", 1)
    module.write_text(text[:event] + more)
    return Repository(before.path, {**before.environment, "PYTHONPATH": str(source)})


def publish(release: Repository, more: str = "") -> None:
    """Publish twenty events."""
    python = str(release.path / ".venv/bin/python")
    release.run(python, "-c", PUBLISH.replace("{more}", more))


def counts(release: Repository) -> tuple[int, ...]:
    """How many accounts there are, jobs laid aside, other jobs, and attempts that failed."""

    async def ask() -> tuple[int, ...]:
        admin = await asyncpg.connect(release.environment["MIGRATION_DATABASE_URL"])
        row = await admin.fetchrow(COUNTS)
        await admin.close()
        return tuple(row)

    return asyncio.run(ask())


def test_no_job_is_held_while_a_release_is_rolled_out_and_back(
    before: Repository, after: Repository, tmp_path: Path
) -> None:
    app = str(before.path / ".venv/bin/app")
    with working(before, tmp_path / "old.log"):
        publish(after, ", newsletter=True")  # The first instance of the next release serves.
        publish(before)
        # The old worker does what it can read, and leaves the rest.
        eventually(lambda: counts(before) == (20, 20, 0, 0), 60)
        said = json.loads(before.run(app, "jobs", "count", "--json").stdout)["billing"]
        assert said == {"waiting": 0, "running": 0, "held": 0, "unknown": 20}
        assert "newsletter: Unexpected keyword argument" in (tmp_path / "old.log").read_text()
        with working(after, tmp_path / "new.log"):
            publish(after)
            eventually(lambda: counts(before) == (60, 0, 0, 0), 60)
        # It is rolled back.
        publish(after)
        eventually(lambda: counts(before) == (60, 20, 0, 0), 60)
    # It is rolled out again, and what was left is done.
    with working(after, tmp_path / "new.log"):
        eventually(lambda: counts(before) == (80, 0, 0, 0), 60)
