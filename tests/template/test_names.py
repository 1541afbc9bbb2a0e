"""Names that the real skeleton uses itself are refused before they clash."""

import ast
import builtins
import keyword
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml
from generated import ROOT, Generate, Repository
from jinja2 import Environment, Template

from scaffold.errors import ScaffoldError
from scaffold.names import check_entity, check_module, class_name

SKELETON = "src/app/modules/yyy"
LOOP = "{% yield module from modules %}{{ module }}{% endyield %}"
SOURCE = ROOT / "template/src/app/modules" / LOOP
QUESTIONS = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))


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


def test_every_name_that_is_accepted_is_green(shop: Repository, tmp_path: Path) -> None:
    """As module and as entity: what Python, the platform, the skeleton and its libraries are called."""
    words = {*sys.stdlib_module_names, *dir(builtins), *keyword.kwlist, *keyword.softkwlist}
    words |= {path.stem for path in (shop.path / "src/app").rglob("*.py")}
    for file in [shop.path / "conftest.py", *(shop.path / SKELETON).rglob("*.py")]:
        words |= set(re.findall(r"\w+", file.read_text("utf-8")))
    snake = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).lower().strip("_") for word in words}
    assert {"jobs", "client", "none", "engine", "service"} <= snake
    ours = shutil.ignore_patterns("catalog", "other", "yyy")
    shutil.copytree(shop.path / "src/app", tmp_path / "src/app", ignore=ours)
    shutil.copy(shop.path / "pyproject.toml", tmp_path)
    folder = tmp_path / "src/app/modules"
    names = sorted({*snake, "series", "yes"})
    for entity, name in zip(names, [*names[1:], names[0]], strict=True):
        module = name if is_accepted(check_module, name) else f"our_{name}"
        if is_accepted(check_entity, entity, module) and len(module) <= 30:
            render(folder / module, module=module, entity=entity)
    assert len(list(folder.iterdir())) > 500
    ruff = str(Path(sysconfig.get_path("scripts")) / "ruff")
    rendered = Repository(tmp_path, shop.environment)
    rendered.run(ruff, "check", "--quiet")
    rendered.run(ruff, "format", "--check", "--quiet")


def render(folder: Path, **answers: str) -> None:
    """The Python of one module, by Jinja alone: Copier would take minutes for as many."""
    answers = {**answers, "Entity": class_name(answers["entity"])}
    answers["entities"] = jinja(QUESTIONS["entities"]["default"], **answers)
    answers["path"] = jinja(QUESTIONS["path"]["default"], **answers)
    for file in SOURCE.rglob("*.py.jinja"):
        made = folder / jinja(str(file.relative_to(SOURCE)), **answers).removesuffix(".jinja")
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(jinja(file.read_text("utf-8"), **answers), "utf-8")


@cache
def compiled(text: str) -> Template:
    filters = "jinja2_ansible_filters.AnsibleCoreFiltersExtension"
    return Environment(keep_trailing_newline=True, extensions=[filters]).from_string(text)


def jinja(text: str, **answers: str) -> str:
    return compiled(text).render(answers, depends_on={}, dependencies=[], owner="@acme/team")


def test_the_skeleton_leaves_no_trace_of_other_names(shop: Repository) -> None:
    for name in shop.git("ls-files", "--others", "--exclude-standard", SKELETON).split():
        assert "item" not in name
        assert not re.search(r"\bitem_|_item|Item\b", shop.read(name)), name
