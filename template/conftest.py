"""A database of its own for each test, cloned from one in which every module is migrated, or cleaned
of what an earlier test wrote. What one module calls of another crosses as if it were a service."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from uuid import uuid4

import asyncpg
import pytest
from httpx import ASGITransport, AsyncClient
from openfeature import api as openfeature
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from sqlalchemy.ext.asyncio import AsyncEngine

from app import modules
from app.development.database import create_login, development_server, with_database
from app.development.fresh_databases import Execute, FreshDatabases
from app.development.issuer import DevelopmentIssuer
from app.development.rehearsal import Gateway, Rehearsal
from app.main import create_app
from app.platform.database import close, create_engine, MigrationError, Tx
from app.platform.flags import FlagFiles
from app.platform.jobs import Event, Events, Worker
from app.platform.migrations import migrate
from app.platform.settings import Settings, SettingsError
from app.platform.wiring import discover, ModuleFolder, moves_of, Wired

LOGIN = "app_test"
_VARIANTS = {"on": True, "off": False}

Bearer = Callable[..., dict[str, str]]
RunJobs = Callable[[], Awaitable[int]]
TurnOn = Callable[[str], None]


REHEARSAL = pytest.StashKey[Rehearsal]()


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "Send calls between modules through JSON, as if each were a service of its own."
    parser.addini("rehearse", about, type="bool", default=True)
    parser.addoption("--remote", default="", help="Serve these modules in other processes.")


def pytest_configure(config: pytest.Config) -> None:
    remote = config.getoption("--remote").split()
    rehearsal = Rehearsal(remote, in_json=config.getini("rehearse"))
    config.add_cleanup(rehearsal.close)
    config.stash[REHEARSAL] = rehearsal
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    for user in ("app.main", "app.platform.wiring"):  # Before a test imports it from there.
        patch.setattr(f"{user}.wire", rehearsal.wire)


@pytest.fixture(scope="session")
def rehearsal(pytestconfig: pytest.Config) -> Rehearsal:
    return pytestconfig.stash[REHEARSAL]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def admin_url() -> Iterator[str]:
    """The URL of an admin on the test server who may create databases and roles."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(development_server())
        except (SettingsError, MigrationError) as error:
            pytest.exit(f"No database to test on. {error}", 1)
        yield url


@pytest.fixture(scope="session")
def login_url(admin_url: str) -> str:
    """The URL of a login with as few rights as in production."""
    return asyncio.run(create_login(admin_url, LOGIN))


@pytest.fixture(scope="session")
def execute(admin_url: str) -> Iterator[Execute]:
    """Execute a statement as admin, on one connection that all tests share; return its value."""
    with asyncio.Runner() as runner:
        admin = runner.run(asyncpg.connect(admin_url))
        yield lambda statement: runner.run(admin.fetchval(statement))
        runner.run(admin.close())


@pytest.fixture(scope="session")
def folders() -> list[ModuleFolder]:
    """Every module as it stands in the source tree."""
    return discover(modules)


@pytest.fixture(scope="session")
def template_database(
    admin_url: str, login_url: str, execute: Execute, folders: list[ModuleFolder]
) -> Iterator[str]:
    """The name of a database in which every module is migrated."""
    name = f"test_template_{uuid4().hex}"
    execute(f"CREATE DATABASE {name}")
    try:
        url = with_database(admin_url, name)
        asyncio.run(migrate(url, LOGIN, folders, moves_of(modules)))
        yield name
    finally:
        execute(f"DROP DATABASE {name}")


@pytest.fixture(scope="session")
def databases(admin_url: str, execute: Execute, template_database: str) -> Iterator[FreshDatabases]:
    fresh = FreshDatabases(admin_url, execute, template_database)
    yield fresh
    fresh.close()


@pytest.fixture
def settings(
    admin_url: str,
    login_url: str,
    databases: FreshDatabases,
    folders: list[ModuleFolder],
    rehearsal: Rehearsal,
    request: pytest.FixtureRequest,
) -> Iterator[Settings]:
    """Settings with a fresh database that the test may change as it likes."""
    name = databases.take()
    settings = Settings(
        environment="development",
        database_url=with_database(login_url, name),
        migration_database_url=with_database(admin_url, name),
    )
    with rehearsal.served(settings, folders, request.path) as (settings, log):
        yield settings
    if log is not None:  # It is shown if the test has failed.
        request.node.add_report_section("teardown", "log of --remote", log.read_text())
    databases.give_back(name)


@pytest.fixture
async def engine(
    settings: Settings, folders: list[ModuleFolder], rehearsal: Rehearsal
) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings)
    async with rehearsal.connected(settings, folders):
        yield engine
    await close(engine)


class ChosenFlags(InMemoryProvider):
    """Flags that are on because a test says so."""

    def __init__(self, folders: list[ModuleFolder]) -> None:
        off = {key: InMemoryFlag("off", _VARIANTS) for key in FlagFiles(folders).flags}
        super().__init__(off)

    def turn_on(self, key: str) -> None:
        assert key in self._flags, f"no module has the flag {key}"
        self._flags[key] = InMemoryFlag("on", _VARIANTS)


@pytest.fixture
def flags(folders: list[ModuleFolder]) -> Iterator[ChosenFlags]:
    """Every flag is off, whatever its file says, but for those that the test turns on."""
    chosen = ChosenFlags(folders)
    openfeature.set_provider_and_wait(chosen)
    yield chosen
    openfeature.clear_providers()


@pytest.fixture
def turn_on(flags: ChosenFlags, rehearsal: Rehearsal) -> TurnOn:
    """Turn a flag on for this test: `turn_on("ordering.new_checkout")`."""

    def turn_on(key: str) -> None:
        flags.turn_on(key)
        rehearsal.turn_on(key)

    return turn_on


@pytest.fixture
def wired(
    folders: list[ModuleFolder], engine: AsyncEngine, flags: ChosenFlags, rehearsal: Rehearsal
) -> Wired:
    """Every module, built: `wired[Billing]` is what other modules get."""
    return rehearsal.wire(folders, engine)


@pytest.fixture
def run_jobs(
    settings: Settings,
    engine: AsyncEngine,
    wired: Wired,
    folders: list[ModuleFolder],
    rehearsal: Rehearsal,
) -> RunJobs:
    """Run every job that is due, events included, as `app worker` would: `await run_jobs()`.

    Returns how many ended; raises the first error that one raised.
    """
    jobs = rehearsal.jobs(folders, engine) | dict(wired.jobs)
    return Worker(settings, engine, jobs).run_due


@pytest.fixture(scope="session")
def bearer() -> Bearer:
    """Headers of somebody with a token: `headers=bearer("ada", "catalog:write")`."""
    issuer = DevelopmentIssuer()
    return lambda subject, *scopes: {"Authorization": f"Bearer {issuer.token(subject, *scopes)}"}


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The events that modules publish, oldest first, whether anybody listens or not."""
    published: list[Event] = []
    publish = Events.publish

    async def record(events: Events, tx: Tx, event: Event) -> None:
        published.append(event)
        await publish(events, tx, event)

    monkeypatch.setattr(Events, "publish", record)
    return published


@pytest.fixture
async def client(
    settings: Settings, bearer: Bearer, flags: ChosenFlags
) -> AsyncIterator[AsyncClient]:
    """A client of the whole application, with the token of somebody who has no scopes."""
    api = create_app(settings, flags=flags)
    transport = Gateway(ASGITransport(api), settings)
    async with (
        api.router.lifespan_context(api),
        AsyncClient(transport=transport, base_url="http://app", headers=bearer("me")) as client,
    ):
        yield client
