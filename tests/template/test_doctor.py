"""`scaffold doctor` on repositories of the real template: new ones, an old one, one with a database."""

import asyncio
import json
import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from generated import ROOT, Repository
from helpers import git, process
from histories import commit, edit, write

from scaffold.doctor.examining import choose, examine
from scaffold.reader import TemplateVersion

OLD = "434ecf7217a484069f885dc5c26e0921c6e9c3f8"
"""A commit of this template's past, before the platform had rooms."""
MODULES = "src/app/modules"
LOGIN, PASSWORD = "doctored", "a-password-of-a-test"


def found(repository: Path, **more: Any) -> list[str]:
    done = examine(repository, choose([], more.get("database")), **more)
    assert not done.not_known, done.not_known
    return [f"{check.id} {finding.what}" for check, finding in done.findings]


def test_a_new_repository_is_on_the_path(shop: Repository) -> None:
    done = process("doctor", cwd=shop.path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Nothing off the path (template v1.0.0, newest v1.0.0).\n"


def test_the_example_is_on_the_path(example: Repository) -> None:
    assert found(example.path) == []


def test_what_people_do_every_day_is_on_the_path(shop: Repository) -> None:
    shop.add_module("billing", "--depends-on", "catalog")
    shop.run("uv", "lock", "--quiet")
    shop.make("rules", "dashboards")
    shop.commit()
    assert found(shop.path) == []


def test_a_repository_a_year_old_hears_what_is_off_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if git(ROOT, "rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("the past is not here")
    today = date.today()
    day = today - timedelta(days=365)
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{day}T12:00:00")
    template = TemplateVersion(ROOT, OLD)
    files = template.render(str(ROOT), OLD).files
    for module in ("catalog", "ordering"):
        made = template.render(str(ROOT), OLD, given={"module": module}).files
        files |= {f"{MODULES}/{module}/{path}": file for path, file in made.items()}
    write(tmp_path / "shop", [("first", {p: (f.mode, f.content) for p, f in files.items()})])
    monkeypatch.chdir(tmp_path / "shop")
    now = git(ROOT, "rev-parse", "HEAD")
    number = git(ROOT, "rev-list", "--count", f"{OLD}..{now}", "--", *RENDERED)
    behind = f"SC-001 template {OLD[:10]} is {number} commits behind {now[:10]}"
    assert found(Path(), today=today) == [behind]

    platform = "src/app/platform"
    edit(f"{platform}/boundary.py", '"""', '"""Ours. ')
    edit(f"{MODULES}/catalog/service.py", '"""', '"""Ours. ')
    edit("README.md", "# ", "# Our ")
    git(Path(), "mv", f"{platform}/access.py", f"{platform}/admission.py")
    Path(f"{platform}/ours.py").write_text('"""Ours."""\n')
    git(Path(), "rm", "--quiet", "docs/scaling.md")
    daily = ".github/workflows/daily.yml"
    action = next(line for line in Path(daily).read_text().splitlines() if "setup-uv" in line)
    edit(daily, action, "      - uses: astral-sh/setup-uv@v7")
    edit("Dockerfile", "python:3.13", "python:3.9")
    flag = {"state": "ENABLED", "metadata": {"description": "x", "expires": str(day)}}
    Path(f"{MODULES}/catalog/flags.json").write_text(json.dumps({"flags": {"new_prices": flag}}))
    Path(f"{MODULES}/moved.toml").write_text(
        f'[[moved]]\nrename = "sales"\nto = "ordering"\non = {day}\n'
    )
    edit("CODEOWNERS", f"/{MODULES}/catalog/ @acme/team\n", "")
    commit()
    assert found(Path(), today=today) == [
        behind,
        f"SC-008 the room boundary of the platform is edited since {day}; "
        f"the template has changed {platform}/boundary.py too",
        f"SC-010 moved: {platform}/access.py -> {platform}/admission.py",
        "SC-010 missing: docs/scaling.md",
        "SC-013 CODEOWNERS has no line of catalog",
        "SC-014 sales was renamed to ordering 365 days ago, and what stands in for the old name is "
        "still there",
        f"SC-016 the flag catalog.new_prices expired on {day}",
        f"SC-017 {daily} calls astral-sh/setup-uv@v7, which may be another tomorrow",
        "SC-018 Python 3.9 has got no security fixes since 2025-10-31",
    ]


RENDERED = ("copier.yml", "template", "skeletons", "examples")


class Database:
    """A database that the shop has migrated, of a login of its own."""

    def __init__(self, shop: Repository, server: str) -> None:
        self.shop, self.server = shop, server
        self.admin = f"{server.rpartition('/')[0]}/{LOGIN}"
        host = server.rpartition("@")[2].partition("/")[0]
        self.url = f"postgresql://{LOGIN}:{PASSWORD}@{host}/{LOGIN}"

    def execute(self, *statements: str, on: str = "") -> None:
        async def run() -> None:
            connection = await asyncpg.connect(on or self.admin)
            for statement in statements:
                await connection.execute(statement)
            await connection.close()

        asyncio.run(run())

    def found(self) -> list[str]:
        return found(self.shop.path, database=self.url)


@pytest.fixture(scope="module")
def database(shop: Repository, postgres: str) -> Iterator[Database]:
    made = Database(shop, postgres)
    made.execute(
        f"CREATE ROLE {LOGIN} LOGIN NOINHERIT PASSWORD '{PASSWORD}'",
        f"CREATE DATABASE {LOGIN}",
        on=postgres,
    )
    urls = {"DATABASE_URL": made.url, "MIGRATION_DATABASE_URL": made.admin}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIGRATION_DATABASE_URL", made.admin)
        Repository(shop.path, {**shop.environment, **urls}).run(".venv/bin/app", "migrate")
        yield made


def test_a_database_that_fits_is_not_told(database: Database) -> None:
    assert database.found() == []


def test_without_an_admin_all_but_tables_is_compared(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIGRATION_DATABASE_URL", database.admin.replace(LOGIN, "another"))
    done = examine(
        database.shop.path,
        choose(["SC-021", "SC-023", "SC-025"], database.url),
        database=database.url,
    )
    assert done.findings == []
    assert done.not_known == {
        "SC-025": "tables cannot be compared: that is for an admin: set MIGRATION_DATABASE_URL"
    }


def test_what_was_made_or_left_by_hand_is_told(database: Database) -> None:
    owner = f"{LOGIN}__reviews__owner"
    database.execute(
        "CREATE INDEX by_hand ON catalog.items (id)",
        f"CREATE ROLE {owner}",
        f"GRANT {owner} TO CURRENT_USER",
        f"CREATE SCHEMA reviews AUTHORIZATION {owner}",
        "CREATE SCHEMA somebody_elses",
    )
    left, tables = database.found()
    assert left == "SC-024 schemas of modules that the code does not have: reviews"
    assert tables.startswith("SC-025 catalog: ")
    assert "by_hand" in tables
    moved = database.shop.path / MODULES / "moved.toml"
    moved.write_text(f'[[moved]]\nrename = "reviews"\nto = "catalog"\non = {date.today()}\n')
    assert [each[:6] for each in database.found()] == ["SC-025"]
    moved.unlink()
    database.execute("DROP INDEX catalog.by_hand", "DROP SCHEMA reviews")


def test_a_database_before_and_after_the_code_is_told(database: Database) -> None:
    database.execute(
        "UPDATE catalog.alembic_version SET version_num = 'of_tomorrow'",
        "DELETE FROM ordering.alembic_version",
        f'REVOKE "{LOGIN}__requests" FROM {LOGIN}',
    )
    assert database.found() == [
        "SC-021 the database is older than the code: ordering",
        "SC-022 the database has had migrations that the code has not: catalog of_tomorrow",
        f"SC-023 {LOGIN} may not act as {LOGIN}__requests",
    ]


def test_the_url_of_an_admin_is_told_to_be_one(database: Database) -> None:
    done = examine(database.shop.path, choose(["SC-023"], database.admin), database=database.admin)
    assert [each.what[:28] for _, each in done.findings] == ["schemas belong to others tha"]


def test_a_database_that_cannot_be_asked_is_one_sentence_without_the_password(
    database: Database,
) -> None:
    for url in (
        database.url.replace(PASSWORD, "not-the-password"),
        f"mysql://{LOGIN}:{PASSWORD}@127.0.0.1/{LOGIN}",
        PASSWORD,
    ):
        done = process("doctor", "--database", url, cwd=database.shop.path, env=dict(os.environ))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1, done.stderr
        assert "password " not in done.stderr.replace("password authentication", "")
        assert PASSWORD not in done.stderr
        assert "not-the-password" not in done.stderr
