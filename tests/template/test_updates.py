"""Plain Copier carries repositories and modules along, and loses no edit."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from generated import Generate, Repository, scaffold
from pytest_copie.plugin import Copie

SKELETON = "template/src/app/modules/{% yield module from modules %}{{ module }}{% endyield %}"


@pytest.fixture(scope="module")
def releases(real_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with a second release, which changes the app, the skeleton and the platform."""
    path = tmp_path_factory.mktemp("releases") / "template"
    shutil.copytree(real_template, path)
    for file, old, new in (
        ("template/AGENTS.md", "# Working in", "# How to work in"),
        ("template/src/app/platform/errors.py", "does not exist", "is not there"),
        (f"{SKELETON}/README.md.jinja", "## When something is wrong", "## At 3 am"),
        (f"{SKELETON}/service.py.jinja", "is taken", "is in use"),
        ("examples/shop/ordering/README.md", "## When something is wrong", "## At 3 am"),
    ):
        text = (path / file).read_text("utf-8")
        assert old in text
        (path / file).write_text(text.replace(old, new), "utf-8")
    for command in (["commit", "-qam", "2"], ["tag", "v2.0.0"]):
        subprocess.run(["git", *command], cwd=path, check=True)
    return path


@pytest.fixture(scope="module")
def edited(
    releases: Path, tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]
) -> Repository:
    """A repository at the first release, with billing added later and edits everywhere."""
    folder = tmp_path_factory.mktemp("edited")
    source = ("--from", str(releases), "--ref", "v1.0.0")
    scaffold("new", "shop", "--defaults", *source, cwd=folder)
    shop = Repository(folder / "shop", environment)
    shop.add_module("billing", "--entity", "invoice", "--depends-on", "catalog")
    shop.replace("AGENTS.md", "`make dev` runs everything.", "Ask in the team's channel.")
    shop.replace("src/app/modules/catalog/routes.py", "max_length=200", "max_length=99")
    shop.replace("src/app/modules/billing/routes.py", "max_length=200", "max_length=20")
    shop.commit("Edit")
    return shop


def copied(shop: Repository, folder: Path) -> Repository:
    """The same, as one of one's own."""
    path = shutil.copytree(shop.path, folder / "shop", ignore=shutil.ignore_patterns(".venv"))
    return Repository(path, shop.environment)


@pytest.fixture
def shop(edited: Repository, tmp_path: Path) -> Repository:
    return copied(edited, tmp_path)


@pytest.fixture(scope="module")
def updated(edited: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """One whose app was updated: Copier takes its time."""
    shop = copied(edited, tmp_path_factory.mktemp("updated"))
    update(shop)
    return shop


def update(shop: Repository, folder: str = ".", *arguments: str) -> None:
    command = (sys.executable, "-m", "copier", "update", "--defaults", "--quiet", *arguments)
    shop.run(*command, folder)


def unmerged(shop: Repository) -> list[str]:
    return [name for name in shop.git("ls-files").split() if "<<<<<<<" in shop.read(name)]


def test_an_update_of_the_app_brings_the_new_release_and_keeps_every_edit(
    updated: Repository, generate: Generate, tmp_path: Path
) -> None:
    shop = copied(updated, tmp_path)
    assert unmerged(shop) == []
    assert "_commit: v2.0.0" in shop.read(".copier-answers.yml")
    assert "# How to work in" in (agents := shop.read("AGENTS.md"))
    assert "Ask in the team's channel." in agents
    assert "is not there" in shop.read("src/app/platform/errors.py")
    assert "max_length=99" in shop.read("src/app/modules/catalog/routes.py")
    assert "is in use" in shop.read("src/app/modules/catalog/service.py")
    assert "/src/app/modules/billing/ @acme/team" in shop.read("CODEOWNERS")
    generate.install(shop)
    shop.make("check")


def test_an_update_of_one_module_changes_that_module_alone(shop: Repository) -> None:
    update(shop, "src/app/modules/billing", "--answers-file", ".copier-answers.module.yml")
    assert unmerged(shop) == []
    changed = {line.split()[-1] for line in shop.git("status", "--short").splitlines()}
    assert changed == {
        f"src/app/modules/billing/{name}"
        for name in (".copier-answers.module.yml", "README.md", "service.py")
    }
    assert '_commit: "v2.0.0"' in shop.read("src/app/modules/billing/.copier-answers.module.yml")
    assert "is in use" in shop.read("src/app/modules/billing/service.py")
    assert "max_length=20" in shop.read("src/app/modules/billing/routes.py")
    assert "catalog: Catalog" in shop.read("src/app/modules/billing/wiring.py")
    assert "InvoiceRow" in shop.read("src/app/modules/billing/tables.py")


def test_an_update_of_a_module_of_the_example_keeps_its_edits(
    releases: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    source = ("--from", str(releases), "--ref", "v1.0.0")
    scaffold("new", "shop", "--example", "--defaults", *source, cwd=tmp_path)
    shop = Repository(tmp_path / "shop", environment)
    folder = "src/app/modules/ordering"
    shop.replace(f"{folder}/README.md", "Owned by @acme/checkout.", "Ours.")
    shop.commit("Edit")
    update(shop, folder, "--answers-file", ".copier-answers.module.yml")
    assert unmerged(shop) == []
    assert len(shop.git("status", "--short").splitlines()) == 2
    assert '_commit: "v2.0.0"' in shop.read(f"{folder}/.copier-answers.module.yml")
    assert "Ours." in (readme := shop.read(f"{folder}/README.md"))
    assert "## At 3 am" in readme


def test_a_module_added_later_comes_from_the_release_of_the_app(
    updated: Repository, tmp_path: Path
) -> None:
    shop = copied(updated, tmp_path)
    assert "is taken" in shop.read("src/app/modules/billing/service.py")
    shop.commit("Update")
    shop.add_module("shipping")
    assert "is in use" in shop.read("src/app/modules/shipping/service.py")


def test_pytest_copie_copies_and_updates(copie: Copie, releases: Path) -> None:
    made = copie.copy(template_dir=releases, vcs_ref="v1.0.0", extra_answers={"ci": "gitlab"})
    assert made.exit_code == 0, made.exception
    assert made.project_dir is not None
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "1"]):
        subprocess.run(["git", *command], cwd=made.project_dir, check=True)
    updated = copie.update(made, vcs_ref="v2.0.0")
    assert updated.exit_code == 0, updated.exception
    assert "# How to work in" in (made.project_dir / "AGENTS.md").read_text("utf-8")
    assert "ci: gitlab" in (made.project_dir / ".copier-answers.yml").read_text("utf-8")
