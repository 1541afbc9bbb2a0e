"""What the command says of errors: one sentence, of each its own cause."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from socket import gaierror

import asyncpg
import pytest
from sqlalchemy import text

from app.cli_errors import describe, is_foreseen
from app.platform.database.engine import create_engine
from app.platform.jobs.queue import connect_queue
from app.platform.settings.settings import Settings
from app.platform.wiring.module_toml import WiringError

NOWHERE = "postgresql://nobody:nothing-at-all@127.0.0.1:1/nothing"
AWAY = "Is DATABASE_URL right, and does Postgres run?"


def raised(do: Callable[[], object]) -> str:
    with pytest.raises(Exception, check=is_foreseen) as caught:
        do()
    return describe(caught.value)


async def query(settings: Settings, sql: str) -> None:
    engine = create_engine(settings)
    try:
        async with engine.connect() as connection:
            await connection.execute(text(sql))
    finally:
        await engine.dispose()


async def open_queue(settings: Settings) -> None:
    async with connect_queue(settings):
        pass


@pytest.mark.parametrize("connect", [open_queue, lambda settings: query(settings, "SELECT 1")])
@pytest.mark.parametrize(
    "url", [NOWHERE, NOWHERE.replace("127.0.0.1", "host.invalid")], ids=["refused", "no such host"]
)
def test_a_database_that_cannot_be_reached_is_named(
    settings: Settings, connect: Callable[[Settings], object], url: str
) -> None:
    away = settings.model_copy(update={"database_url": url})
    assert raised(lambda: asyncio.run(connect(away))).endswith(AWAY)  # type: ignore[arg-type]


def test_a_wrong_password_or_database_is_one_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another test may have had this database, and the password that worked is tried again.
    monkeypatch.setattr("app.platform.database.credentials._worked", {}, raising=False)
    for url in (
        settings.database_url.replace("://app_test:", "://app_test:x"),
        f"{settings.database_url}x",
    ):
        wrong = settings.model_copy(update={"database_url": url})
        asking = query(wrong, "SELECT 1")
        assert raised(partial(asyncio.run, asking)).endswith(AWAY)


def test_what_the_database_refuses_is_not_blamed_on_its_address(settings: Settings) -> None:
    said = raised(lambda: asyncio.run(query(settings, "SELECT 1 FROM nowhere.nothing")))
    assert said.endswith("Has `app migrate` been run?")
    said = raised(lambda: asyncio.run(query(settings, "SELECT 1 / 0")))
    assert said.startswith("The database refuses: ")
    assert AWAY not in said


def test_what_is_no_error_of_the_database_tells_its_own_cause(tmp_path: Path) -> None:
    missing = tmp_path / "no" / "file"
    assert raised(missing.read_text) == f"{missing}: No such file or directory."

    def fail(error: Exception) -> None:
        raise error

    for error in (ConnectionResetError(104, "reset"), gaierror(-2, "no name"), TimeoutError()):
        said = raised(partial(fail, error))
        assert "atabase" not in said, said
        assert said.startswith(error.strerror or "TimeoutError")
    assert raised(lambda: fail(WiringError("It does not fit."))) == "It does not fit."


def test_what_nobody_foresaw_keeps_its_traceback() -> None:
    assert not is_foreseen(KeyError("x"))
    assert is_foreseen(asyncpg.InterfaceError("the connection is closed"))
