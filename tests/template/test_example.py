"""The example shop: the modules that newcomers read, in a repository of their own."""

import shutil
from pathlib import Path

import pytest
from generated import ROOT, UV, Generate, Repository

INSIDE = Path(__file__).parent / "shop"
PICTURE = ROOT / "docs" / "shop.svg"


def test_it_passes_its_own_check_and_a_module_can_be_added(generate: Generate) -> None:
    shop = generate(example=True)
    shop.add_module("reviews", "--entity", "review", "--depends-on", "catalog")
    shop.commit("Add reviews")
    shop.make("check")
    assert shop.changes() == []


def test_the_picture_in_the_readme_is_its_map(example: Repository) -> None:
    assert "](docs/shop.svg)" in (ROOT / "README.md").read_text("utf-8")
    drawn = example.run(UV, "run", "--quiet", "app", "map", "--svg", "-").stdout
    stale = (
        f"{PICTURE.name} is stale: in a shop of `scaffold new --example`, `app map --svg` draws it"
    )
    assert PICTURE.read_text("utf-8") == drawn, stale


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in INSIDE.glob("test_*.py")))
def test_an_order_is_placed_whole_or_not_at_all(example: Repository, name: str) -> None:
    folder = example.path / "tests" / "shop"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    for file in INSIDE.glob("*.py"):
        shutil.copy(file, folder)
    assert " passed" in example.pytest(f"tests/shop/{name}").stdout
