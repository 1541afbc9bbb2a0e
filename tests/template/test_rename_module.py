"""A module is renamed in real repositories: all checks pass, and updates go on."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from generated import Generate, Repository, scaffold
from running import eventually, in_production, running

PARTS = """
billing --entity invoice --depends-on catalog
reports --depends-on billing
pay --bare
payments --depends-on pay,billing --fields amount:money --entity payment
"""


@pytest.fixture(scope="module")
def newer(real_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with a second release, which changes modules, and the app."""
    path = tmp_path_factory.mktemp("newer") / "template"
    shutil.copytree(real_template, path)
    skeleton = "template/src/app/modules/{% yield module from modules %}{{ module }}{% endyield %}"
    for file, old, new in (
        ("template/AGENTS.md", "# Working in", "# How to work in"),
        (f"{skeleton}/README.md.jinja", "## When something is wrong", "## At 3 am"),
        (f"{skeleton}/service.py.jinja", "is taken", "is in use"),
        ("examples/shop/billing/service.py", "has no account", "has no account yet"),
        ("examples/shop/ordering/README.md", "## When something is wrong", "## At 3 am"),
    ):
        text = (path / file).read_text("utf-8")
        assert old in text
        (path / file).write_text(text.replace(old, new), "utf-8")
    for command in (["commit", "-qam", "2"], ["tag", "v2.0.0"]):
        subprocess.run(["git", *command], cwd=path, check=True)
    return path


def rename(repository: Repository, *arguments: str) -> dict[str, list[dict[str, str]]]:
    printed = scaffold("rename-module", *arguments, "--json", cwd=repository.path)
    said: dict[str, list[dict[str, str]]] = json.loads(printed)
    return said


def files(repository: Repository) -> dict[str, bytes]:
    listed = repository.git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    paths = [path for path in listed.split("\0") if path and path != "uv.lock"]
    return {path: (repository.path / path).read_bytes() for path in paths}


def test_a_module_becomes_what_it_would_be_if_it_had_been_added_by_that_name(
    generate: Generate,
) -> None:
    renamed, added = generate(), generate()
    for repository in (renamed, added):
        for line in PARTS.strip().splitlines():
            if repository is added:
                line = line.replace("billing", "charges").replace("pay ", "wallet ")
                line = line.replace("pay,", "wallet,")
            repository.add_module(*line.split())
    renamed.commit()
    rename(renamed, "billing", "charges")
    rename(renamed, "pay", "wallet")
    rename(renamed, "catalog", "articles")  # One that the repository was made with.
    assert "/src/app/modules/articles/ @acme/team" in renamed.read("CODEOWNERS")
    assert "- articles\n- ordering\n" in renamed.read(".copier-answers.yml")
    renamed.git("reset", "--quiet", "--hard", "HEAD~1")
    assert renamed.changes() == []
    after, wanted = files(renamed), files(added)
    assert after.pop("src/app/modules/moved.toml").count(b"[[moved]]") == 2
    for name, old in (("charges", b"billing:read"), ("wallet", b"pay:read")):
        path = f"src/app/modules/{name}/README.md"  # Scopes are what tokens say.
        after[path] = after[path].replace(old, f"{name}:read".encode())
    assert after == wanted
    rename(renamed, "--finish", "billing")
    before = files(renamed)
    for old, new in (("charges", "billing"), ("billing", "charges")):
        rename(renamed, old, new)
        rename(renamed, "--finish", old)
    del before["src/app/modules/moved.toml"]
    assert {path: files(renamed)[path] for path in before} == before


@pytest.mark.slow
def test_a_shop_with_renamed_modules_passes_its_checks_and_can_be_updated(
    generate: Generate, newer: Path, postgres: str, tmp_path: Path
) -> None:
    shop = generate(example=True)
    shop.add_module("reviews", "--entity", "rating", "--depends-on", "catalog,billing")
    shop.commit()
    said = rename(shop, "billing", "invoicing")
    rename(shop, "catalog", "line_items")
    rename(shop, "ordering", "order_flow")  # The word order is everywhere.
    rename(shop, "reviews", "pages")
    assert {"path": "src/app/modules/invoicing/routes.py", "line": 50} in [
        {"path": each["path"], "line": each["line"]} for each in said["left"]
    ]
    assert "GET /billing/accounts/{customer_id} -> /invoicing/accounts/{customer_id}" in said["api"]
    assert "billing" in shop.read("observability/rules_test.yml")  # The template's own example.
    assert shop.git("log", "--follow", "--format=%s", "--", "src/app/modules/invoicing/jobs.py")
    tests = ("invoicing", "line_items", "order_flow", "pages")
    printed = scaffold("update", "--from", str(newer), "--to", "v2.0.0", "--json", cwd=shop.path)
    assert json.loads(printed)["conflicts"] == []
    assert "has no account yet" in shop.read("src/app/modules/invoicing/service.py")
    assert "## At 3 am" in shop.read("src/app/modules/order_flow/README.md")
    assert "is in use" in shop.read("src/app/modules/pages/service.py")
    modules = {path.name for path in (shop.path / "src/app/modules").iterdir() if path.is_dir()}
    assert modules - {"__pycache__"} == {*tests, "identity"}
    vote = ("add-entity", "pages", "vote", "--fields", "stars:int", "--from", str(newer))
    scaffold(*vote, cwd=shop.path)
    shop.check()
    shop.make("migrations", "base=HEAD~5")
    tried = ("invoicing/tests/test_jobs.py", "order_flow/tests/test_service.py", "pages/tests")
    shop.pytest("tests/test_architecture.py", *(f"src/app/modules/{each}" for each in tried))
    column = "    stars: Mapped[int]"
    shop.replace("src/app/modules/pages/tables.py", column, f"    more: Mapped[int]\n{column}")
    with running(in_production(shop, postgres), tmp_path / "log"):
        said = "pages: tables.py and the migrations differ"
        eventually(lambda: said in (tmp_path / "log").read_text("utf-8"))
