"""A module is renamed, its old name taken away, and renamed back, while the shop serves and works.

What `scaffold rename-module` does to sources is done here by a replacement: this is about the database.
"""

import asyncio
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from customers import Load, books, jobs_done
from generated import Generate, Repository
from running import bearer, eventually, in_production, serving, working

pytestmark = pytest.mark.moves

MOVED = "".join(
    f"[[moved]]\n{said}\non = 2026-11-{day}\n\n"
    for day, said in [
        (27, 'rename = "billing"\nto = "invoicing"'),
        (28, 'finish = "billing"'),
        (29, 'rename = "invoicing"\nto = "billing"'),
        (30, 'finish = "invoicing"'),
    ]
)
WAITING = """SELECT count(*) FROM queue.pgqueuer
    WHERE entrypoint LIKE 'billing.%' AND status = 'queued'"""
AGAIN = """SELECT count(*) FROM (SELECT FROM queue.pgqueuer_log WHERE status = 'successful'
    GROUP BY job_id HAVING count(*) > 1) AS twice"""
Release = Callable[[str, int], Repository]


@pytest.fixture(scope="module")
def before(generate: Generate, postgres: str) -> Repository:
    """The release that runs."""
    return in_production(generate(example=True), postgres)


@pytest.fixture
def release(before: Repository, tmp_path: Path) -> Release:
    """Make the release that calls billing so, and knows of so many moves."""

    def make(name: str, moves: int) -> Repository:
        source = tmp_path / f"{moves}/src"
        modules = shutil.copytree(before.path / "src", source) / "app/modules"
        (modules / "billing").rename(modules / name)
        for file in [*modules.rglob("*.py"), *modules.rglob("*.toml")]:
            file.write_text(re.sub(r"\bbilling\b", name, file.read_text()))
        entries = re.split(r"(?=^\[\[)", MOVED, flags=re.MULTILINE)
        (modules / "moved.toml").write_text("".join(entries[: moves + 1]))
        return Repository(before.path, {**before.environment, "PYTHONPATH": str(source)})

    return make


def migrate(release: Repository, *options: str) -> str:
    return release.run(".venv/bin/app", "migrate", *options).stdout


def ask(release: Repository, query: str) -> int:
    async def fetch() -> int:
        admin = await asyncpg.connect(release.environment["MIGRATION_DATABASE_URL"])
        number: int = await admin.fetchval(query)
        await admin.close()
        return number

    return asyncio.run(fetch())


async def register(load: Load) -> None:
    async with load.client() as client:
        for _ in range(2):
            bob = {"email": f"{uuid4()}@example.org", "name": "Bob"}
            answer = await client.post("/identity/customers", json=bob)
            assert answer.is_success, answer.text


@contextmanager
def loaded(release: Repository, log: Path, loads: list[Load]) -> Iterator[Load]:
    """Serve a release to customers who order without a pause."""
    headers = bearer(release, "catalog:write")
    with serving(release, log) as (_, url):
        load = Load(url, headers)
        loads.append(load)
        with load.shopping(2):
            yield load


@contextmanager
def at_work(release: Repository, log: Path) -> Iterator[None]:
    """A worker that has told of its first job."""
    with working(release, log):
        eventually(lambda: log.stat().st_size, 60)
        yield


def test_a_module_is_renamed_and_back_under_load_and_no_request_fails(
    before: Repository, release: Release, tmp_path: Path
) -> None:
    named, finished = release("invoicing", 1), release("invoicing", 2)
    back, done = release("billing", 3), release("billing", 4)
    loads: list[Load] = []
    with ExitStack() as next_release:
        with loaded(before, tmp_path / "1.log", loads) as old:
            with at_work(before, tmp_path / "worker1.log"):
                old.succeed(30)
            asyncio.run(register(old))  # Who does so now waits for an account.
            assert ask(before, WAITING) == 2
            assert "applied rename billing to invoicing, 2026-11-27\n" in migrate(named)
            old.succeed(30)
            new = next_release.enter_context(loaded(named, tmp_path / "2.log", loads))
            # Both work on one queue, and the release before may come back.
            with (
                at_work(before, tmp_path / "worker2.log"),
                at_work(named, tmp_path / "worker3.log"),
            ):
                old.succeed(30)
                new.succeed(30)
            assert "ahead of this code" in migrate(before, "--unless-ahead")
        next_release.enter_context(at_work(named, tmp_path / "worker4.log"))
        assert "applied finish billing, 2026-11-28\n" in migrate(finished)
        new.succeed(30)
        # The name is free, and this one goes back to it.
        assert "applied rename invoicing to billing, 2026-11-29\n" in migrate(back)
        new.succeed(30)
    assert "applied finish invoicing, 2026-11-30\n" in migrate(done)
    with at_work(done, tmp_path / "worker5.log"):
        asyncio.run(jobs_done(done.environment["MIGRATION_DATABASE_URL"]))
    print(*(f"\n{load.told()}" for load in loads))
    for load in loads:
        assert load.failed == []
        counts = asyncio.run(books(done.environment["MIGRATION_DATABASE_URL"], load))
        assert counts.pop("orders") == len(load.orders)
        assert set(counts.values()) == {len(load.orders)}, counts
    assert ask(done, AGAIN) == 0
