"""A module is removed from a whole repository: what is left is green, and follows its template."""

import asyncio
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import asyncpg
import pytest
from documented import run_commands
from generated import ROOT, Repository, scaffold
from running import in_production

SKELETON = "template/src/app/modules/{% yield module from modules %}{{ module }}{% endyield %}"
REVIEWS = "src/app/modules/reviews"
MOVED = "src/app/modules/moved.toml"


@pytest.fixture(scope="module")
def shop(example: Repository) -> Repository:
    """The example, with reviews of what is in the catalog, and what people write of them."""
    example.add_module(
        "reviews", "--depends-on", "catalog", "--entity", "review", "--owner", "@acme/reviews"
    )
    flags = {
        "stars": {
            "state": "ENABLED",
            "variants": {"on": True, "off": False},
            "defaultVariant": "off",
        }
    }
    (example.path / REVIEWS / "flags.json").write_text(json.dumps({"flags": flags}))
    (example.path / "docs/scaling.md").open("a").write("\nThe reviews come at night.\n")
    (example.path / "observability/team.yml").open("a").write("# reviews may be late\n")
    example.commit("Add reviews")
    return example


@pytest.fixture(scope="module")
def production(shop: Repository, postgres: str) -> Repository:
    return in_production(shop, postgres)


def remove(shop: Repository, *arguments: str) -> subprocess.CompletedProcess[str]:
    return ask(shop, "remove-module", *arguments)


def ask(shop: Repository, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**shop.environment, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, "-m", "scaffold", *arguments],
        cwd=shop.path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_those_that_others_need_stay_and_say_who(shop: Repository) -> None:
    done = remove(shop, "catalog", "--archive")
    assert done.returncode == 1
    assert done.stderr.startswith("scaffold: catalog is needed by ordering, reviews: take out")
    for line in (
        "ordering/module.toml:2: depends_on names it",
        "ordering/wiring.py:4: imports Catalog",
        "ordering/wiring.py:17: build takes catalog: Catalog",
        "reviews/module.toml:2: depends_on names it",
    ):
        assert f"  src/app/modules/{line}\n" in done.stderr
    assert "hears OrderCharged" in remove(shop, "billing", "--archive").stderr


def test_what_goes_is_shown_with_what_is_in_the_database(
    shop: Repository, production: Repository
) -> None:
    async def write() -> None:
        admin = await asyncpg.connect(production.environment["MIGRATION_DATABASE_URL"])
        await admin.execute(
            "INSERT INTO reviews.reviews (id, owner, name) "
            "SELECT gen_random_uuid(), 'ada', n::text FROM generate_series(1, 1234) n"
        )
        await admin.close()

    asyncio.run(write())
    said = remove(production, "reviews", "--dry-run").stdout
    for line in (
        "tables     reviews (1,234 rows)",
        "in queue   none of its jobs",
        "jobs       reviews.prepare_review",
        "events     ReviewCreated; nobody else hears them",
        "flags      stars",
        "owner      CODEOWNERS:9: /src/app/modules/reviews/ @acme/reviews",
    ):
        assert f"  {line}\n" in said
    assert "docs: The reviews come at night.\n" in said
    assert ": alert: # reviews may be late\n" in said
    told = ask(production, "carve", "reviews", "--bill", "--json").stdout
    (table,) = json.loads(told)["goes"]["tables"]
    assert (table["name"], table["rows"]) == ("reviews", 1234)
    assert 8192 < table["bytes"] < 2**20
    assert shop.changes() == []
    # What the template itself says of its examples names no module.
    assert said.partition("left to you:\n")[2].count("\n") == 3
    nowhere = "postgresql://app:secret@127.0.0.1:1/app"
    silent = {**shop.environment, "DATABASE_URL": nowhere}
    said = remove(Repository(shop.path, silent), "reviews", "--dry-run").stdout
    assert "  tables     reviews\n" in said
    assert "  rows, jobs unknown: " in said
    assert "secret" not in said


def test_the_checks_are_green_without_it(
    shop: Repository, production: Repository, real_template: Path, tmp_path: Path
) -> None:
    """And an update that changes the skeleton does not bring it back."""
    assert remove(shop, "reviews", "--archive").returncode == 0
    assert shop.changes() == []
    (entry,) = tomllib.loads(shop.read(MOVED))["moved"]
    assert (entry["remove"], entry["data"]) == ("reviews", "archive")
    shop.make("check")
    production.run(str(shop.path / ".venv/bin/app"), "migrate")
    guide = shop.read("docs/moving.md").replace("20261215", f"{entry['on']:%Y%m%d}")
    looks, keeps = [each for each in guide.split("```\n")[1::2] if "psql" in each]
    seen = run_commands(production, looks, tmp_path).stdout
    assert f"archived_reviews_{entry['on']:%Y%m%d}" in seen
    assert f"remove reviews, {entry['on']}" in seen
    run_commands(production, keeps, tmp_path)
    assert "archived" not in run_commands(production, looks, tmp_path).stdout
    assert (tmp_path / "reviews.dump").stat().st_size > 0
    newer = shutil.copytree(real_template, tmp_path / "newer")
    readme = newer / SKELETON / "README.md.jinja"
    readme.write_text(readme.read_text() + "\nMore.\n")
    (newer / SKELETON / "more.py").write_text('"""More."""\n')
    for command in (["add", "-A"], ["commit", "-qm", "2"], ["tag", "v2.0.0"]):
        subprocess.run(["git", *command], cwd=newer, check=True)
    scaffold("update", "--from", str(newer), cwd=shop.path)
    assert not (shop.path / REVIEWS).exists()
    assert shop.read(MOVED).count("[[moved]]") == 1
    shop.add_module("reviews", "--from", str(newer))
    assert (shop.path / REVIEWS / "more.py").exists()
