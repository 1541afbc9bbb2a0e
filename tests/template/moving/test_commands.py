"""The commands, as somebody types them, move a module of this repository there and back again."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from app.cli import main

from .moving import PASSWORD, Server, url_of

APP = Path(sys.executable).with_name("app")
MOVED = "catalog"
ROLES = """
    CREATE ROLE shop LOGIN NOINHERIT PASSWORD '{0}'; CREATE ROLE shop_catalog LOGIN NOINHERIT PASSWORD '{0}';
    GRANT shop, shop_catalog TO admin WITH ADMIN OPTION;
"""


@pytest.fixture(scope="module")
def environment(cluster: Server) -> dict[str, str]:
    async def prepare() -> None:
        admin = await asyncpg.connect(cluster.url())
        await admin.execute(ROLES.format(PASSWORD))
        for name in ("shop_main", "shop_own"):
            await admin.execute(f"CREATE DATABASE {name} OWNER admin")
        await admin.close()

    asyncio.run(prepare())
    return {
        **{name: value for name, value in os.environ.items() if "DATABASE" not in name},
        "ENVIRONMENT": "development",
        "MODULES": MOVED,
        "DATABASE_ROLES": "shop",
        "DATABASE_URL": url_of(cluster, "shop_main", "shop_catalog"),
        "MIGRATION_DATABASE_URL": url_of(cluster, "shop_main"),
        "OWN_DATABASE_URL": url_of(cluster, "shop_own", "shop_catalog"),
        "OWN_MIGRATION_DATABASE_URL": url_of(cluster, "shop_own"),
        "SERVICE_LOGINS": f"{MOVED}=shop_catalog",
    }


def app(environment: dict[str, str], *words: str, fails: int = 0) -> str:
    """Run a command as its script does, in this process: to start one each time takes longer than all else."""
    out, err = StringIO(), StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        for name in os.environ:
            if name not in environment:
                patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr("sys.argv", ["app", *words])
        patch.setattr("app.platform.carving.ready._WATCHED", 0.1)
        main()
        raise SystemExit(0)
    assert (ended.value.code or 0) == fails, (words, out.getvalue(), err.getvalue())
    assert "Traceback" not in err.getvalue()
    return out.getvalue() if not fails else err.getvalue()


def carve(environment: dict[str, str], *words: str) -> Any:
    return json.loads(app(environment, "carve", *words, "--json"))


def state(environment: dict[str, str]) -> str:
    found: dict[str, Any] = carve(environment, "status", MOVED)
    assert found["wrong"] == []
    return str(found["state"])


def test_a_module_goes_there_and_comes_home(environment: dict[str, str], tmp_path: Path) -> None:
    app(environment, "migrate")
    assert carve(environment, "look", MOVED)["is_clear"]
    assert state(environment) == "here"
    assert "Nothing is copied" in app(environment, "carve", "cut", MOVED, fails=1)
    carve(environment, "copy", MOVED)
    assert state(environment) == "streaming"
    assert app(environment, "migrate", "--own") == "Nothing to do.\n"
    assert "No process of catalog watches" in app(environment, "carve", "cut", MOVED, fails=1)
    cut = carve(environment, "cut", MOVED, "--pause", "30", "--unwatched")
    assert cut["is_equal"]
    assert state(environment) == "moved"
    assert "has moved" in app(environment, "carve", "stop", MOVED, "--home", fails=1)
    assert carve(environment, "back", MOVED, "--pause", "30")["is_equal"]
    assert state(environment) == "streaming"
    carve(environment, "cut", MOVED, "--pause", "30", "--proof-first", "--unwatched")
    assert "say --archive DIR" in app(environment, "carve", "confirm", MOVED, fails=2)
    carve(environment, "confirm", MOVED, "--archive", str(tmp_path / "archive"))
    assert state(environment) == "confirmed"
    assert app(environment, "migrate") == "Nothing to do.\n"
    carve(environment, "copy", MOVED, "--home")
    carve(environment, "cut", MOVED, "--home", "--pause", "30", "--unwatched")
    carve(environment, "confirm", MOVED, "--home", "--no-archive")
    assert state(environment) == "here"
    carve(environment, "copy", MOVED)
    carve(environment, "stop", MOVED)
    assert state(environment) == "here"


def test_what_is_typed_wrongly_is_one_sentence(environment: dict[str, str]) -> None:
    assert "there is no module nothing" in app(environment, "carve", "look", "nothing", fails=2)
    away = {
        **environment,
        "OWN_MIGRATION_DATABASE_URL": environment["OWN_MIGRATION_DATABASE_URL"].replace(
            "shop_own", "gone"
        ),
    }
    said = app(away, "carve", "copy", MOVED, fails=1)
    assert "The own database cannot be reached: admin at 127.0.0.1, gone:" in said
    assert PASSWORD not in said
    without = {name: value for name, value in environment.items() if not name.startswith("OWN")}
    assert "OWN_MIGRATION_DATABASE_URL is not set" in app(without, "carve", "cut", MOVED, fails=1)
    status = json.loads(
        subprocess.run(
            [APP, "carve", "status", MOVED, "--json"], env=away, capture_output=True
        ).stdout
    )
    assert (status["state"], status["sides"]["main"]["is_open"]) == ("unknown", True)
