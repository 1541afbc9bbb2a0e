"""The password of the database changes while the application runs."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from httpx import ASGITransport, AsyncClient
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.development.database import create_login, with_database
from app.main import create_app
from app.platform import timeouts as waits
from app.platform.database import credentials as passwords
from app.platform.database.engine import create_engine
from app.platform.database.errors import UnreachableError
from app.platform.migrations.migrations import migrate
from app.platform.settings.settings import Settings
from app.platform.wiring.discovery import discover

from .. import modules
from ..leaving import drop


class Login:
    """A login of its own, whose URL stands in a file, as /run/secrets has it."""

    def __init__(self, url: str, admin: asyncpg.Connection, file: Path) -> None:
        self.url, self._admin, self._file = url, admin, file
        self.name = make_url(url).username

    async def change_role(self, password: str) -> None:
        await self._admin.execute(f"ALTER ROLE {self.name} PASSWORD '{password}'")

    def change_file(self, password: str) -> None:
        url = make_url(self.url).set(password=password)
        self._file.write_text(url.render_as_string(hide_password=False) + "\n")

    async def sessions(self) -> set[int]:
        query = "SELECT pid FROM pg_stat_activity WHERE usename = $1"
        return {row["pid"] for row in await self._admin.fetch(query, self.name)}


@pytest.fixture
async def login(
    admin_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Login]:
    monkeypatch.setattr(passwords, "_SECRETS", tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    name = f"login_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(admin_url)
    await admin.execute(f"CREATE DATABASE {name}")
    url = with_database(await create_login(admin_url, name), name)
    login = Login(url, admin, tmp_path / "database_url")
    login.change_file(str(make_url(url).password))
    await migrate(with_database(admin_url, name), name, discover(modules))
    yield login
    await admin.close()
    await drop(admin_url, name)


@pytest.fixture(autouse=True)
def nothing_worked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_worked", {})


async def test_a_password_is_changed_under_load_and_no_request_fails(
    login: Login, bearer: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file first, then the role; connections of the pool end all the while."""
    patient = {"rate_limit": 1e6, "database_pool_timeout": 30, "database_statement_timeout": 30}
    settings = Settings(environment="development", database_url=login.url, **patient)  # type: ignore[arg-type]
    engines: list[AsyncEngine] = []

    def create(settings: Settings) -> AsyncEngine:
        engines.append(create_engine(settings))
        return engines[-1]

    monkeypatch.setattr("app.main.create_engine", create)
    api = create_app(settings, with_worker=True)
    answers: list[tuple[int, str]] = []
    go_on = True

    async def order(client: AsyncClient) -> None:
        while go_on:
            name = {"name": uuid4().hex}
            for answer in (
                await client.get("/catalog/items"),
                await client.get("/readyz"),
                await client.post("/catalog/items", json=name),
            ):
                answers.append((answer.status_code, answer.text))

    async def grow() -> None:
        """Let everyone who looks get a connection with the password that holds now."""
        for _ in range(10):
            async with engines[0].connect() as connection:
                await connection.invalidate()
            seen = len(answers)
            while len(answers) < seen + 3:
                await asyncio.sleep(0.005)

    async with (
        api.router.lifespan_context(api),
        AsyncClient(
            transport=ASGITransport(api), base_url="http://app", headers=bearer("ada")
        ) as client,
    ):
        customers = [asyncio.create_task(order(client)) for _ in range(5)]
        await grow()
        for number in range(2):
            login.change_file(f"another-secret-{number}")
            await grow()
            before = await login.sessions()
            await login.change_role(f"another-secret-{number}")
            async with asyncio.timeout(60):
                await grow()
                while not await login.sessions() - before:
                    await grow()
        go_on = False
        await asyncio.gather(*customers)
    assert [each for each in answers if each[0] not in (200, 201)] == []
    assert len(answers) > 150


async def test_a_connection_that_is_open_lives_on(login: Login) -> None:
    engine = create_engine(Settings(environment="development", database_url=login.url))
    async with engine.connect() as connection:
        await login.change_role("another-secret")
        assert await connection.scalar(text("SELECT 1")) == 1
        with pytest.raises(UnreachableError, match="password authentication failed"):
            await engine.connect()
        login.change_file("another-secret")
        async with engine.connect() as other:
            assert await other.scalar(text("SELECT 1")) == 1
    await engine.dispose()


async def test_what_goes_past_the_pool_knows_the_new_password_too(login: Login) -> None:
    login.change_file("another-secret")
    await (await passwords.connect(login.url)).close()
    await login.change_role("another-secret")
    await (await passwords.connect(login.url)).close()


@pytest.mark.parametrize("written", ["", "nonsense", "postgresql://other:secret@127.0.0.1/other"])
async def test_a_file_that_is_about_something_else_is_ignored(
    login: Login, tmp_path: Path, written: str
) -> None:
    (tmp_path / "database_url").write_text(written)
    await (await passwords.connect(login.url)).close()


async def test_the_environment_counts_more_than_the_file(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    login.change_file("not-the-one")
    monkeypatch.setenv("DATABASE_URL", login.url)
    await (await passwords.connect(login.url)).close()


async def test_sessions_say_what_they_are(settings: Settings) -> None:
    engine = create_engine(settings)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SHOW application_name")) == "app serve"
    await engine.dispose()


async def test_the_kernel_finds_out_when_the_other_end_is_gone(settings: Settings) -> None:
    engine = create_engine(settings)
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        past = await passwords.connect(settings.database_url)
        drivers: tuple[Any, ...] = (raw.driver_connection, past)
        for driver in drivers:
            end = driver._transport.get_extra_info("socket")
            assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                asked = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                assert asked == waits.UNACKNOWLEDGED * 1000
        await past.close()
    await engine.dispose()
