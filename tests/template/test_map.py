"""The map of a generated repository: drawn, renewed, and never in the way of a merge."""

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


@pytest.fixture
def in_ci(shop: Repository) -> Repository:
    return Repository(shop.path, {**shop.environment, "CI": "true"})


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


def test_a_picture_outside_git_is_renewed_and_never_fails(
    shop: Repository, in_ci: Repository
) -> None:
    (shop.path / MAP).unlink(missing_ok=True)
    in_ci.pytest(*CHECK)
    assert not (shop.path / MAP).exists()
    shop.make("map")
    shop.add_module("billing", "--entity", "invoice", "--depends-on", "catalog")
    shop.pytest(*CHECK)
    assert "billing depends on catalog" in shop.read(MAP)


def test_ci_says_that_a_picture_in_git_is_stale(shop: Repository, in_ci: Repository) -> None:
    shop.make("map")
    in_ci.pytest(*CHECK)
    shop.add_module("shipping", "--depends-on", "catalog")
    said = in_ci.pytest(*CHECK, check=False)
    assert said.returncode == 1
    assert f"{MAP} is stale: run `make map`, and commit the file" in said.stdout
    assert "<svg" not in said.stdout
    shop.make("map")
    in_ci.pytest(*CHECK)


@pytest.mark.slow
def test_branches_that_change_modules_merge_even_where_the_picture_is_in_git(
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
        shop.git("merge", "--quiet", "--no-edit", name)
    shop.make("map")
    described = shop.read(MAP)
    for name in ("billing", "ordering", "shipping"):
        assert f"{name} depends on catalog" in described
    assert "accounts depends on no other module" in described
    assert "identity" not in described
    assert shop.git("status", "--short").split() == ["M", MAP]
    shop.commit("Draw what the branches made together")
    shop.make("check")


def rename(shop: Repository, old: str, new: str) -> None:
    """Rename a module that holds no data yet, as a developer does with an editor."""
    shop.git("mv", f"src/app/modules/{old}", f"src/app/modules/{new}")
    for file in shop.git("grep", "--files-with-matches", "--ignore-case", old).split():
        if file != MAP:
            text = shop.read(file).replace(old, new).replace(old.title(), new.title())
            (shop.path / file).write_text(text, "utf-8")
