"""What starting does not wait for: libraries that most processes never use."""

import subprocess
import sys

import pytest

SLOW = {
    "alembic",
    "app.platform.migrations",
    "app.platform.query_stats",
    "app.platform.remote",
    "cashews",
    "croniter",
    "cryptography",
    "google",
    "httpx",
    "jwt",
    "mako",
    "mcp",
    "openfeature",
    "opentelemetry.exporter",
    "opentelemetry.sdk",
    "pgqueuer",
    "pygments",
    "redis",
    "requests",
    "rich",
    "sqlalchemy.dialects.postgresql",
    "stamina",
    "structlog",
}
MORE = {"app.platform.database", "asyncpg", "fastapi", "pydantic", "sqlalchemy", "uvicorn"}
TO_MODULES = "from app.cli import cli; cli(['modules'], standalone_mode=False)"
TO_HELP = "from app.cli import cli; cli(['--help'], standalone_mode=False)"


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import app.main", SLOW),
        (TO_HELP, SLOW | MORE),
        (TO_MODULES, SLOW | MORE - {"pydantic"}),  # Typer reads arguments with it.
    ],
    ids=["the application", "help", "modules"],
)
def test_what_is_not_needed_is_not_imported(code: str, absent: set[str]) -> None:
    look = f"{code}\nimport sys; print('loaded:', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True
    ).stdout
    loaded = absent & set(done.rpartition("loaded:")[2].split())
    assert not loaded
