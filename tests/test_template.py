"""Which template a repository follows, and where that one is now."""

import shutil
from pathlib import Path

import pytest
from helpers import git

BILLING = "src/app/modules/billing/.copier-answers.module.yml"
pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def moved(template: Path, tmp_path: Path) -> str:
    """The template's new address."""
    git(tmp_path, "clone", "--quiet", "--bare", str(template), "moved.git")
    return (tmp_path / "moved.git").as_uri()


@pytest.mark.usefixtures("shop")
def test_it_prints_address_and_version(run, template):
    assert run("template").out == f"{template} v0.1.0\n"


def test_a_new_address_is_recorded_everywhere_and_nothing_else_changes(shop, run, template, moved):
    run("add-module", "billing")
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "--message", "billing")
    result = run("template", moved, "-C", "src")
    assert result.code == 0, result.err
    assert len(result.out.splitlines()) == 5
    lines = git(shop, "diff", "--unified=0").splitlines()
    changed = {line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")}
    assert {line[1:].split(":")[0] for line in changed} == {"_src_path"}
    assert run("template").out == f"{moved} v0.1.0\n"
    assert run("add-module", "tax").code == 0
    assert moved in (shop / "src/app/modules/tax/.copier-answers.module.yml").read_text()


@pytest.mark.usefixtures("shop")
def test_of_a_folder_it_is_said_that_others_cannot_reach_it(run, template, tmp_path):
    shutil.copytree(template, tmp_path / "other")
    assert "no address that others can reach" in run("template", str(tmp_path / "other")).err


def test_of_a_path_its_remote_is_recorded(shop, run, template, moved, tmp_path):
    git(tmp_path, "clone", "--quiet", moved, "checkout")
    assert run("template", str(tmp_path / "checkout")).code == 0
    assert run("template").out == f"{moved} v0.1.0\n"
    assert f"_src_path: {moved}" in (shop / ".copier-answers.yml").read_text()


def test_a_module_of_another_template_is_left_alone(shop, run, moved):
    run("add-module", "billing")
    text = (shop / BILLING).read_text().replace("_src_path: ", "_src_path: # ours\n  ")
    other = "\n".join(
        '_src_path: "https://acme.org/other.git"' if line.startswith("_src_path") else line
        for line in text.splitlines()
        if not line.startswith("  ")
    )
    (shop / BILLING).write_text(other)
    assert run("template", moved).code == 0
    assert (shop / BILLING).read_text() == other


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://localhost:1/t.git", "cannot be reached"),
        ("https://bot:s3cret@localhost:1/t.git", "holds a user name, password or token"),
        ("/gone", "is not there"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_an_address_that_will_not_do_is_refused(refused, address, said):
    assert said in (refusal := refused("template", address))
    assert "s3cret" not in refusal


@pytest.mark.usefixtures("shop")
def test_an_address_without_the_version_is_refused(refused, template, tmp_path):
    shutil.copytree(template, tmp_path / "other")
    git(tmp_path / "other", "tag", "--delete", "v0.1.0")
    assert "has no version v0.1.0" in refused("template", str(tmp_path / "other"))


def test_a_recorded_secret_is_taken_out_and_not_printed(shop, run, moved):
    answers = shop / ".copier-answers.yml"
    old = answers.read_text().splitlines()
    lines = ["_src_path: https://s3cret@acme.org/t.git" if "_src" in x else x for x in old]
    answers.write_text("\n".join(lines) + "\n")
    assert "s3cret" not in run("template").out
    assert run("template", moved).code == 0
    assert "s3cret" not in answers.read_text()
