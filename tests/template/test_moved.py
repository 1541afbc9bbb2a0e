"""A module is renamed and another one removed, each in a roll-out under load: no request fails."""

import asyncio
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from customers import Load, books, jobs_done
from generated import Generate, Repository, scaffold
from running import bearer, eventually, in_production, serving, working

pytestmark = pytest.mark.moves

SKELETON = "template/src/app/modules/{% yield module from modules %}{{ module }}{% endyield %}"
WAITING = """SELECT count(*) FROM queue.pgqueuer
    WHERE starts_with(entrypoint, '{}.')"""
AGAIN = """SELECT count(*) FROM (SELECT FROM queue.pgqueuer_log WHERE status = 'successful'
    GROUP BY job_id HAVING count(*) > 1) AS twice"""
Release = Callable[[str], Repository]


@pytest.fixture(scope="module")
def shop(generate: Generate, postgres: str) -> Repository:
    """What the team works in, and where it runs: with reviews, which nobody needs."""
    shop = generate(example=True)
    shop.add_module("reviews", "--entity", "review", "--depends-on", "catalog")
    shop.commit()
    return in_production(shop, postgres)


@pytest.fixture
def release(shop: Repository, tmp_path: Path) -> Release:
    """Make a release of what the repository holds now."""

    def make(name: str) -> Repository:
        assert shop.changes() == []
        source = shutil.copytree(shop.path / "src", tmp_path / name / "src")
        return Repository(shop.path, {**shop.environment, "PYTHONPATH": str(source)})

    return make


@pytest.fixture
def newer(real_template: Path, tmp_path: Path) -> Path:
    """The template with another release, which changes a skeleton and the platform."""
    path = shutil.copytree(real_template, tmp_path / "template")
    for file, old, new in (
        (f"{SKELETON}/service.py.jinja", "is taken", "is in use"),
        ("examples/shop/billing/service.py", "has no account", "has no account yet"),
        ("template/src/app/platform/web/routing.py", "tries no others", "tries no other ones"),
    ):
        text = (path / file).read_text("utf-8")
        assert old in text
        (path / file).write_text(text.replace(old, new), "utf-8")
    for command in (["commit", "-qam", "2"], ["tag", "v2.0.0"]):
        subprocess.run(["git", *command], cwd=path, check=True)
    return path


def migrate(release: Repository, *options: str) -> str:
    return release.run(".venv/bin/app", "migrate", *options).stdout


def ask(shop: Repository, query: str) -> int:
    async def fetch() -> int:
        admin = await asyncpg.connect(shop.environment["MIGRATION_DATABASE_URL"])
        number: int = await admin.fetchval(query)
        await admin.close()
        return number

    return asyncio.run(fetch())


class Instances:
    """Those that serve, the oldest first, each to customers who order and pay without a pause."""

    def __init__(self, logs: Path) -> None:
        self.loads: list[Load] = []
        self._logs = logs
        self._running: list[ExitStack] = []

    def start(self, release: Repository, ledger: str) -> Load:
        """Start one of a release, beside those that run; return who asks it."""
        self._running.append(instance := ExitStack())
        log = self._logs / f"{len(self.loads)}.log"
        _, url = instance.enter_context(serving(release, log))
        headers = bearer(release, "catalog:write", "billing:write")
        load = Load(url, headers, thinking=0.2, ledger=ledger)
        self.loads.append(load)
        instance.enter_context(load.shopping(2))
        load.succeed(30)
        return load

    def stop(self) -> None:
        """Stop the oldest, once its customers have left."""
        self._running.pop(0).close()

    def stop_all(self) -> None:
        while self._running:
            self.stop()


@pytest.fixture
def instances(tmp_path: Path) -> Iterator[Instances]:
    instances = Instances(tmp_path)
    yield instances
    instances.stop_all()


@contextmanager
def at_work(release: Repository, log: Path) -> Iterator[None]:
    """A worker that has told of its first job."""
    with working(release, log):
        eventually(lambda: log.stat().st_size, 60)
        yield


def post(load: Load, path: str, body: object, **headers: str) -> httpx.Response:
    answer = httpx.post(load.url + path, json=body, headers={**load.headers, **headers}, timeout=60)
    assert answer.is_success, answer.text
    return answer


def is_ready(load: Load) -> bool:
    return httpx.get(f"{load.url}/readyz", timeout=60).status_code == 200


def register(load: Load) -> None:
    """Let somebody wait for an account, and a review for what comes after it."""
    post(load, "/identity/customers", {"email": f"{uuid4()}@example.org", "name": "Bob"})
    post(load, "/reviews", {"name": uuid4().hex})


def test_modules_are_renamed_and_removed_in_roll_outs_and_no_request_fails(
    shop: Repository,
    release: Release,
    instances: Instances,
    newer: Path,
    tmp_path: Path,
    record_property: Callable[[str, float], None],
) -> None:
    before = release("before")
    scaffold("rename-module", "billing", "invoicing", cwd=shop.path)
    named = release("named")
    old = instances.start(before, "/billing")
    with at_work(before, tmp_path / "worker1.log"):
        old.succeed(30)
        eventually(lambda: ask(shop, WAITING.format("billing")) == 0)
    register(old)
    assert ask(shop, WAITING.format("billing")) == 1
    key = {"Idempotency-Key": uuid4().hex}
    payment = (f"/billing/accounts/{old.customers[0]}/payments", {"amount": "0.01"})
    paid = post(old, *payment, **key).json()
    old.paid += 1
    assert "applied rename billing to invoicing, " in migrate(named)
    old.succeed(30)
    # Clients have not changed yet, and do not know which instance answers them.
    new = instances.start(named, "/billing")
    again = post(new, *payment, **key)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (paid, "true")
    # Either does what the other has left; both work on one queue.
    with at_work(named, tmp_path / "worker2.log"):
        for module in ("billing", "reviews"):
            eventually(lambda module=module: ask(shop, WAITING.format(module)) == 0)
        with at_work(before, tmp_path / "worker3.log"):
            old.succeed(30)
            new.succeed(30)
    # The roll-out is taken back, and made again.
    assert "ahead of this code" in migrate(before, "--unless-ahead")
    assert is_ready(old)
    assert migrate(named) == "Nothing to do.\n"
    instances.stop()

    new.ledger = "/invoicing"
    new.succeed(30)
    scaffold("rename-module", "--finish", "billing", cwd=shop.path)
    finished = release("finished")
    register(new)
    assert "applied finish billing, " in migrate(finished)
    last = instances.start(finished, "/invoicing")
    instances.stop()
    gone = httpx.get(f"{last.url}/billing/accounts/1", headers=last.headers, timeout=60)
    assert gone.status_code == 404
    assert ask(shop, WAITING.format("reviews")) == 1

    scaffold("remove-module", "reviews", "--archive", cwd=shop.path)
    removed = release("removed")
    with at_work(finished, tmp_path / "worker4.log"):
        eventually(lambda: ask(shop, WAITING.format("reviews")) == 0, 60)
    register(last)
    assert "applied remove reviews, " in migrate(removed)
    assert is_ready(last)
    with at_work(finished, tmp_path / "worker5.log"):
        back = instances.start(finished, "/invoicing")  # The roll-out is taken back, say.
        assert is_ready(back)
    instances.stop()
    instances.start(removed, "/invoicing")
    instances.stop()
    moved = tomllib.loads(shop.read("src/app/modules/moved.toml"))["moved"]
    [day] = [each["on"] for each in moved if each.get("remove") == "reviews"]
    archive = f"archived_reviews_{day:%Y%m%d}"
    assert ask(shop, f"SELECT count(*) FROM {archive}.reviews") == 3
    assert ask(shop, f"SELECT count(*) FROM {archive}.jobs_in_queue") == 1

    shop.check()
    scaffold("update", "--from", str(newer), cwd=shop.path)
    assert "has no account yet" in shop.read("src/app/modules/invoicing/service.py")
    assert not (shop.path / "src/app/modules/reviews").exists()
    shop.make("typecheck", "boundaries")
    updated = release("updated")
    migrate(updated)
    instances.start(updated, "/invoicing")
    instances.stop_all()
    with at_work(updated, tmp_path / "worker6.log"):
        asyncio.run(jobs_done(shop.environment["MIGRATION_DATABASE_URL"]))
    record_property("figure", sum(len(load.failed) for load in instances.loads))
    for load in instances.loads:
        print(f"\n{load.told()}")
        assert load.failed == []
        admin = shop.environment["MIGRATION_DATABASE_URL"]
        counts = asyncio.run(books(admin, load, "invoicing"))
        assert counts.pop("orders") == len(load.orders)
        assert set(counts.values()) == {len(load.orders)}, counts
    assert ask(shop, AGAIN) == 0
