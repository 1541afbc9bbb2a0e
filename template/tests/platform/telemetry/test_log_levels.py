"""How much is logged, and by whom; changed while the process runs."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.platform.settings.settings import load_settings, SettingsError
from app.platform.telemetry.log_levels import LogLevels, parse_levels

BILLING = logging.getLogger("app.modules.billing.service")
NAMES = (
    "app",
    "uvicorn",
    "app.modules.billing",
    "app.modules.gone",
    "sqlalchemy.engine",
    "sqlalchemy.engine.Engine",
    "app.worker",
    "uvicorn.error",
)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = {name: logging.getLogger(name).level for name in NAMES}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def test_a_name_is_a_modules_or_a_loggers() -> None:
    assert parse_levels("billing=debug\nsqlalchemy.engine=info") == {
        "app.modules.billing": "debug",
        "sqlalchemy.engine": "info",
    }


@pytest.mark.parametrize("wrong", ["billing", "billing=loud", "=debug", "billing = debug"])
def test_what_is_no_level_stops_the_start(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVELS", wrong)
    with pytest.raises(SettingsError, match=r"LOG_LEVELS: .* is no level: write billing=debug"):
        load_settings(database_url="postgresql://app@127.0.0.1/app")


async def test_a_change_of_the_file_holds_without_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "levels"
    file.write_text("billing=debug")
    levels = LogLevels("warning", "billing=error gone=info", file)
    assert BILLING.getEffectiveLevel() == logging.ERROR
    async with levels.watched(["billing"]):
        levels.look()
        assert BILLING.getEffectiveLevel() == logging.DEBUG
    assert "LOG_LEVELS names gone, and there is no module gone." in caplog.text
    file.write_text("billing=loud")
    levels.look()
    levels.look()
    assert BILLING.getEffectiveLevel() == logging.DEBUG
    assert caplog.text.count("The levels stay as they were") == 1
    file.write_text("sqlalchemy.engine=info")
    levels.look()
    assert BILLING.getEffectiveLevel() == logging.ERROR
    assert logging.getLogger("sqlalchemy.engine").level == logging.INFO
    file.unlink()
    levels.look()
    assert logging.getLogger("sqlalchemy.engine").level == logging.NOTSET
    assert logging.getLogger("app.worker").getEffectiveLevel() == logging.WARNING


def test_libraries_log_no_data_but_in_development(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine, file = logging.getLogger("sqlalchemy.engine"), tmp_path / "levels"
    file.write_text("billing=debug app.worker=debug uvicorn.error=debug")
    levels = LogLevels("info", "sqlalchemy.engine=debug", file)
    assert engine.level == logging.INFO
    assert caplog.messages == [
        "sqlalchemy.engine=debug holds in development only, since libraries log data there: it is "
        "info."
    ]
    levels.look()
    assert BILLING.getEffectiveLevel() == logging.DEBUG
    file.write_text("sqlalchemy.engine.Engine=debug")
    levels.look()
    assert logging.getLogger("sqlalchemy.engine.Engine").level == logging.INFO
    LogLevels("info", "sqlalchemy.engine=debug", None, is_development=True)
    assert engine.level == logging.DEBUG


def test_a_file_that_cannot_be_read_is_told_once_for_each_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "levels"
    levels = LogLevels("warning", "", file)
    for content, told in ((b"\xff", 1), (None, 2), (b"", 2), (b"\xff", 3)):
        file.rmdir() if file.is_dir() else file.unlink(missing_ok=True)
        file.mkdir() if content is None else file.write_bytes(content)
        levels.look()
        levels.look()
        assert caplog.text.count("cannot be read") == told, content
