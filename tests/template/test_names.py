"""Names that the real skeleton uses itself are refused before they clash."""

import ast
import re
from collections.abc import Callable

import pytest
from generated import Generate, Repository

from scaffold.errors import ScaffoldError
from scaffold.names import check_entity, check_module, class_name

SKELETON = "src/app/modules/yyy"


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    shop = generate(modules="[other]")
    shop.add_module("yyy", "--entity", "zzz", "--depends-on", "other")
    return shop


def clashes(shop: Repository, ours: str) -> set[str]:
    """Names that would give a class which a file that names `ours` has already."""
    found = set()
    for file in (shop.path / SKELETON).rglob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        bound = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        bound |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        bound |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        if not any(ours in name for name in bound):
            continue
        for name in bound:
            snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
            if class_name(snake) == name and "Yyy" not in name and "Zzz" not in name:
                found.add(snake)
    return found - {"other"}


def is_accepted(check: Callable[..., None], *names: str) -> bool:
    try:
        check(*names)
    except ScaffoldError:
        return False
    return True


def test_an_entity_cannot_take_the_place_of_a_class_of_the_skeleton(shop: Repository) -> None:
    found = clashes(shop, "Zzz")
    assert {"database", "tx", "protocol"} <= found
    assert {name for name in found if is_accepted(check_entity, name, "yyy")} == set()


def test_a_module_cannot_take_the_place_of_a_class_of_the_skeleton(shop: Repository) -> None:
    found = clashes(shop, "Yyy")
    assert {"database", "tx", "protocol"} <= found
    assert {name for name in found if is_accepted(check_module, name)} == set()


def test_the_skeleton_leaves_no_trace_of_other_names(shop: Repository) -> None:
    for name in shop.git("ls-files", "--others", "--exclude-standard", SKELETON).split():
        assert "item" not in name
        assert not re.search(r"\bitem_|_item|Item\b", shop.read(name)), name
