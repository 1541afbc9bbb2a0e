"""What must hold for every module, now and later."""

import re
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import modules
from app.development.autogenerate import missing_migrations
from app.development.map import draw_map
from app.development.map_svg import as_svg
from app.platform.database import BoundaryError, Database, login_of
from app.platform.settings import Settings
from app.platform.wiring import discover, ModuleFolder, Wired

from .look_alikes import find_look_alikes

ROOT = Path(__file__).parents[1]
MAP = "docs/architecture.svg"
FOLDERS = discover(modules)

every_module = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@every_module
def test_codeowners_names_the_owner_in_module_toml(folder: ModuleFolder) -> None:
    pattern = rf"^/(?:src/app/modules|deploy/services)/{folder.name}/\s+(.+?)\s*$"
    owners = re.findall(pattern, (ROOT / "CODEOWNERS").read_text("utf-8"), re.MULTILINE)
    assert set(owners) == {folder.owner}, f"make CODEOWNERS and {folder.name}/module.toml agree"


def test_codeowners_names_no_module_that_is_gone() -> None:
    named = re.findall(r"^/src/app/modules/(\w+)/", (ROOT / "CODEOWNERS").read_text("utf-8"), re.M)
    gone = set(named) - {folder.name for folder in FOLDERS}
    assert not gone, f"take out of CODEOWNERS: {', '.join(sorted(gone))}"


async def test_the_migrations_of_each_module_make_what_its_tables_say(settings: Settings) -> None:
    missing = await missing_migrations(settings.admin_url, login_of(settings.database_url), FOLDERS)
    told = "\n".join(f"{name}: {each}" for name, found in missing.items() for each in found)
    assert not missing, f"{told}\nRun `.venv/bin/app make-migration MODULE MESSAGE` for these."


async def test_postgres_refuses_each_module_the_tables_of_the_next(engine: AsyncEngine) -> None:
    for folder, other in zip(FOLDERS, FOLDERS[1:] + FOLDERS[:1], strict=True):
        if folder is other:
            continue
        with pytest.raises(BoundaryError, match=f"{folder.name} may not touch .* {other.name}"):
            async with Database(engine, folder.name).transaction() as tx:
                table = f'"{other.name}".alembic_version'
                await tx.execute(text(f"SELECT * FROM {table}"))  # sql: each module in turn


async def test_the_login_by_itself_may_read_nothing(engine: AsyncEngine) -> None:
    for folder in FOLDERS:
        with pytest.raises(BoundaryError, match=f"may not touch the schema {folder.name}"):
            async with engine.connect() as connection:
                table = f'"{folder.name}".alembic_version'
                await connection.execute(text(f"SELECT * FROM {table}"))  # sql: each in turn


async def test_what_waits_in_the_queue_is_not_taken_for_something_else(wired: Wired) -> None:
    assert [each for job in wired.jobs.values() for each in find_look_alikes(job)] == []


def test_a_map_that_is_kept_in_git_shows_what_the_code_says() -> None:
    """What git ignores is nobody else's to see, and may be as old as it likes."""
    asked = subprocess.run(["git", "check-ignore", "--quiet", MAP], cwd=ROOT, check=False)
    is_kept = asked.returncode == 1  # 0: it is ignored; 128: there is no repository.
    drawn = as_svg(draw_map(FOLDERS))
    is_stale = not (ROOT / MAP).exists() or (ROOT / MAP).read_text("utf-8") != drawn
    assert not (is_kept and is_stale), f"run `make map`, and commit the file {MAP}"
