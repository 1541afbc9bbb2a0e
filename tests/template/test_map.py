"""What a generated repository draws of its code: by command, compared by tests, never merged blindly."""

import json
from xml.etree import ElementTree

import pytest
from generated import UV, Generate, Repository

MAP = "docs/architecture.svg"
CHECK = ("tests/test_architecture.py", "-k", "map")


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    shop = generate()
    shop.run(UV, "sync", "--quiet")
    return shop


def app_map(shop: Repository, *arguments: str) -> str:
    return shop.run(str(shop.path / ".venv/bin/app"), "map", *arguments).stdout


def test_the_page_shows_a_picture_that_git_ignores(shop: Repository) -> None:
    assert "](architecture.svg)" in shop.read("docs/architecture.md")
    shop.make("map")
    ElementTree.fromstring(shop.read(MAP))
    assert MAP not in shop.git("status", "--short")


def test_map_prints_or_writes_what_it_is_asked_for(shop: Repository) -> None:
    printed = app_map(shop)
    assert "catalog: Catalog  @acme/team\n    create_item(tx, owner, name)\n" in printed
    assert app_map(shop, "--mermaid", "-").startswith("flowchart TD\n")
    assert app_map(shop, "--json", ".venv/map.json", "--svg", ".venv/map.svg") == ""
    names = [each["name"] for each in json.loads(shop.read(".venv/map.json"))["modules"]]
    assert names == ["catalog", "ordering"]
    assert app_map(shop, "--svg", "-") == shop.read(".venv/map.svg")


def test_a_picture_outside_git_may_be_old_or_missing(shop: Repository) -> None:
    (shop.path / MAP).write_text("old")
    shop.pytest(*CHECK)
    assert shop.read(MAP) == "old"
    (shop.path / MAP).unlink()
    shop.pytest(*CHECK)
    assert not (shop.path / MAP).exists()


def test_where_there_is_no_repository_no_picture_is_in_git(shop: Repository) -> None:
    kept = (shop.path / ".git").rename(shop.path / ".venv" / "git")
    try:
        shop.pytest(*CHECK)
    finally:
        kept.rename(shop.path / ".git")


def test_a_picture_in_git_that_is_stale_or_missing_is_named_and_left_as_it_is(
    shop: Repository,
) -> None:
    shop.make("map")
    shop.git("add", "--force", MAP)
    shop.pytest(*CHECK)
    drawn = shop.read(MAP)
    shop.add_module("shipping", "--depends-on", "catalog")
    for missing in (False, True):
        if missing:
            (shop.path / MAP).unlink()
        said = shop.pytest(*CHECK, check=False)
        assert said.returncode == 1
        assert "run `make map`, and commit the file" in said.stdout
        assert MAP in said.stdout
        assert "<svg" not in said.stdout
        assert missing or shop.read(MAP) == drawn


def test_a_catalog_is_compared_once_it_is_there_and_written_by_its_command_alone(
    generate: Generate,
) -> None:
    shop = generate(deploy="both", catalog="backstage")
    check = ("tests/test_catalog.py",)
    shop.pytest(*check)
    assert shop.changes() == []
    shop.make("catalog")
    shop.pytest(*check)
    shop.commit("Describe the modules")
    entities, document = (
        f"src/app/modules/catalog/{name}" for name in ("catalog-info.yaml", "openapi.json")
    )
    shop.replace(document, "/catalog/items", "/catalog/things")
    (shop.path / entities).unlink()
    shop.add_module("billing")
    before = shop.changes()
    said = shop.pytest(*check, check=False)
    assert said.returncode == 1
    assert "run `make catalog`, and commit these files" in said.stdout
    for name in (entities, document, "billing/catalog-info.yaml", "billing/openapi.json"):
        assert name in said.stdout
    assert "ordering/openapi.json" not in said.stdout
    assert shop.changes() == before


def test_two_branches_that_change_an_api_leave_json_or_a_conflict(generate: Generate) -> None:
    shop = generate(modules="[catalog]", catalog="backstage")
    routes, document = (f"src/app/modules/catalog/{name}" for name in ("routes.py", "openapi.json"))
    shop.make("catalog")
    shop.commit("Describe the module")
    for name in ("first", "second"):
        shop.git("switch", "--quiet", "--create", name, "main")
        route = f"""\
    @router.get("/{name}")
    async def {name}() -> str:
        return "{name}"

    return router
"""
        shop.replace(routes, "    return router\n", route)
        shop.make("catalog")
        shop.commit(f"Add {name}")
    merged = shop.run("git", "merge", "--quiet", "--no-edit", "first", check=False)
    conflicts = shop.git("diff", "--name-only", "--diff-filter=U").split()
    assert merged.returncode == bool(conflicts)
    assert routes in conflicts  # The code itself, which a person reads.
    if document not in conflicts:
        json.loads(shop.read(document))


@pytest.mark.slow
def test_branches_that_change_modules_meet_in_a_picture_in_git_and_nowhere_else(
    generate: Generate,
) -> None:
    shop = generate(modules="[catalog, identity, ordering]")

    def draw_and_commit(message: str) -> None:
        shop.make("map")
        shop.git("add", "--force", MAP)
        shop.commit(message)

    draw_and_commit("Draw")
    for name in ("billing", "shipping"):
        shop.git("switch", "--quiet", "--create", name, "main")
        shop.add_module(name, "--depends-on", "catalog")
        draw_and_commit(f"Add {name}")
    shop.git("switch", "--quiet", "--create", "wiring", "main")
    folder = "src/app/modules/ordering"
    shop.replace(f"{folder}/module.toml", "depends_on = []", 'depends_on = ["catalog"]')
    shop.replace(
        f"{folder}/wiring.py",
        "from app.platform.database",
        "from app.modules.catalog import Catalog\nfrom app.platform.database",
    )
    shop.replace(f"{folder}/wiring.py", "events: Events)", "events: Events, catalog: Catalog)")
    draw_and_commit("Let ordering use the catalog")
    shop.git("switch", "--quiet", "--create", "renaming", "main")
    rename(shop, "identity", "accounts")
    draw_and_commit("Rename identity to accounts")
    for name in ("billing", "shipping", "wiring"):
        ours = shop.read(MAP)
        assert shop.run("git", "merge", "--quiet", "--no-edit", name, check=False).returncode == 1
        assert shop.git("diff", "--name-only", "--diff-filter=U").split() == [MAP]
        assert shop.read(MAP) == ours
        draw_and_commit(f"Merge {name}")
    described = shop.read(MAP)
    for name in ("billing", "ordering", "shipping"):
        assert f"{name} depends on catalog" in described
    assert "accounts depends on no other module" in described
    assert "identity" not in described
    shop.pytest("tests/test_architecture.py")


def rename(shop: Repository, old: str, new: str) -> None:
    """Rename a module that holds no data yet, as a developer does with an editor."""
    shop.git("mv", f"src/app/modules/{old}", f"src/app/modules/{new}")
    of_the_template = ("src/app/platform/", "src/app/development/", "tests/platform/", MAP)
    for file in shop.git("grep", "--files-with-matches", "--ignore-case", old).split():
        if not file.startswith(of_the_template):
            text = shop.read(file).replace(old, new).replace(old.title(), new.title())
            (shop.path / file).write_text(text, "utf-8")
