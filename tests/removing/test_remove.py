"""`scaffold remove-module` on a repository that is small; on a whole one, see tests/template."""

import json
import os
import pty
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from helpers import command, git, tree
from histories import commit, edit

CATALOG = "src/app/modules/catalog"
MOVED = "src/app/modules/moved.toml"


def moved() -> list[dict[str, object]]:
    return tomllib.loads(Path(MOVED).read_text())["moved"]


def test_the_folder_and_all_that_is_derived_from_it_go_in_one_commit(shop, run):
    (shop / CATALOG / "__pycache__").mkdir()
    (shop / CATALOG / "__pycache__/service.pyc").write_bytes(b"\0")
    head = git(shop, "rev-parse", "HEAD")
    done = run("remove-module", "catalog", "--archive")
    assert done.code == 0, done.err
    assert "files      5, the folder src/app/modules/catalog" in done.out
    assert not (shop / CATALOG).exists()
    assert git(shop, "status", "--porcelain") == ""
    assert git(shop, "rev-parse", "HEAD~1") == head
    assert git(shop, "log", "-1", "--format=%s") == "Remove the module catalog"
    assert "catalog" not in (shop / "CODEOWNERS").read_text()
    assert "modules:\n- ordering\n" in (shop / ".copier-answers.yml").read_text()
    assert [(each["remove"], each["data"]) for each in moved()] == [("catalog", "archive")]


def test_the_name_is_free_again_and_can_be_removed_again(shop, run):
    for number in (1, 2):
        assert run("remove-module", "catalog", "--drop-data", "--yes").code == 0
        assert len(moved()) == number
        assert run("add-module", "catalog").code == 0
        commit()


def test_the_last_one_may_go(shop, run):
    for name in ("catalog", "ordering"):
        assert run("remove-module", name, "--archive").code == 0
    assert "modules: []\n" in (shop / ".copier-answers.yml").read_text()
    assert run("add-module", "catalog").code == 0


def test_in_a_folder_of_a_larger_repository(pristine, tmp_path, run, monkeypatch):
    outer = tmp_path / "outer"
    shutil.copytree(pristine, outer / "shop", ignore=shutil.ignore_patterns(".git"))
    (outer / "else.txt").write_text("catalog\n")
    git(outer, "init", "--quiet")
    monkeypatch.chdir(outer)
    commit()
    assert run("remove-module", "catalog", "--archive", "-C", "shop/src").code == 0
    assert git(outer, "status", "--porcelain") == ""
    assert (outer / "else.txt").exists()
    assert not (outer / "shop" / CATALOG).exists()


def test_whoever_needs_it_is_told_with_the_lines(shop, run):
    assert run("add-module", "billing", "--depends-on", "catalog").code == 0
    commit()
    before = tree(shop)
    done = run("remove-module", "catalog", "--archive")
    assert (done.code, done.out) == (1, "")
    sentence, *lines = done.err.splitlines()
    assert sentence.startswith("scaffold: catalog is needed by billing: take out")
    assert "  src/app/modules/billing/module.toml:2: depends_on names it" in lines
    told = json.loads(run("remove-module", "catalog", "--archive", "--json").out)
    assert told["dependents"][0]["file"] == "src/app/modules/billing/module.toml"
    assert tree(shop) == before


def test_what_depended_on_it_once_is_recorded_without_it(shop, run):
    run("add-module", "billing", "--depends-on", "catalog,ordering")
    edit("src/app/modules/billing/module.toml", '"catalog", ', "")
    edit("src/app/modules/billing/wiring.py", ", catalog: Catalog", "")
    commit()
    assert run("remove-module", "catalog", "--archive").code == 0
    answers = Path("src/app/modules/billing/.copier-answers.module.yml").read_text()
    assert 'depends_on: {"ordering": "Ordering"}' in answers


def test_an_update_does_not_bring_it_back(team, origin, run):
    assert run("remove-module", "catalog", "--archive").code == 0
    skeleton = "src/app/modules/{% yield module from modules %}{{ module }}{% endyield %}"
    origin.write(f"{skeleton}/service.py.jinja", "new = True\n# {{ module }}\n")
    origin.write(f"{skeleton}/more.py.jinja", "# {{ module }}\n")
    origin.release("v2.0.0")
    done = run("update")
    assert done.code == 0, done.out
    assert not (team / CATALOG).exists()
    assert "new = True" in (team / "src/app/modules/ordering/service.py").read_text()
    assert "catalog" not in (team / "CODEOWNERS").read_text()
    assert run("add-module", "catalog").code == 0


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda: Path(CATALOG, "new.py").write_text("x = 1\n"), "is not as it is committed"),
        (lambda: Path(CATALOG, "wiring.py").write_text("x = 1\n"), "is not as it is committed"),
        (lambda: Path(CATALOG, "wiring.py").unlink(), "is not as it is committed"),
        (lambda: Path("README.md").write_text("x\n"), "has uncommitted changes"),
        (lambda: Path(".git/MERGE_HEAD").write_text("0" * 40), "a merge is in progress"),
        (lambda: Path(".git/index.lock").touch(), "another git is at work"),
    ],
)  # fmt: skip
def test_what_git_could_not_bring_back_keeps_it(shop, run, spoil, why):
    spoil()
    before = tree(shop)
    done = run("remove-module", "catalog", "--archive")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert why in done.err
    assert tree(shop) == before


def test_a_file_that_git_ignores_keeps_it(shop, run):
    Path(".gitignore").write_text("__pycache__/\n*.key\n")
    commit()
    Path(CATALOG, "own.key").write_text("secret\n")
    done = run("remove-module", "catalog", "--archive")
    assert "git ignores src/app/modules/catalog/own.key" in done.err
    assert Path(CATALOG, "own.key").exists()


def test_other_files_that_git_does_not_know_stay(shop, run):
    Path("notes.txt").write_text("buy milk\n")
    assert run("remove-module", "catalog", "--archive").code == 0
    assert git(shop, "status", "--porcelain") == "?? notes.txt"


@pytest.mark.parametrize("name", ["billing", "Catalog", "../ordering", "", "moved"])
def test_a_name_that_is_no_module_is_one_sentence(shop, refused, name):
    said = refused("remove-module", name, "--archive")
    assert "there is no module" in said
    assert "catalog, ordering" in said


@pytest.mark.parametrize(
    "options", [(), ("--drop-data",), ("--yes",), ("--drop-data", "--archive"), ("--json",)]
)
def test_without_a_terminal_it_must_be_said_what_becomes_of_the_data(shop, run, options):
    before = tree(shop)
    done = run("remove-module", "catalog", *options)
    assert (done.code, done.out) == (2, "")
    assert "--archive" in done.err
    assert "--drop-data" in done.err
    assert tree(shop) == before


def test_a_dry_run_says_what_would_go(shop, run):
    before = tree(shop)
    done = run("remove-module", "catalog", "--dry-run")
    assert done.code == 0
    assert "owner      CODEOWNERS:2: /src/app/modules/catalog/ @acme/team" in done.out
    assert done.out.endswith("Nothing was written.\n")
    told = json.loads(run("remove-module", "catalog", "--dry-run", "--json").out)
    assert told["written"] is False
    assert told["goes"]["files"][0] == f"{CATALOG}/.copier-answers.module.yml"
    assert told["changed"] == [".copier-answers.yml", "CODEOWNERS"]
    assert told["goes"]["unknown"] == "there is no .venv here, so that no database was asked"
    assert tree(shop) == before
    (shop / "Makefile").write_text("# An edit that is not committed.")
    assert run("remove-module", "catalog", "--dry-run").out == done.out


def at_a_terminal(shop: Path, arguments: list[str], answers: str) -> tuple[int, str]:
    """Run the command on a terminal, where somebody types."""
    ours, theirs = pty.openpty()
    started = subprocess.Popen(
        command("remove-module", *arguments), cwd=shop, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(ours, answers.encode())
    said = b""
    try:
        while part := os.read(ours, 4096):
            said += part
    except OSError:  # Linux: the other end is closed.
        pass
    os.close(ours)
    return started.wait(), said.decode()


@pytest.mark.parametrize(
    ("arguments", "answers", "data"),
    [
        (["catalog"], "\n", "archive"),
        (["catalog"], "drop\ncatalog\n", "drop"),
        (["catalog", "--drop-data"], "catalog\n", "drop"),
        (["catalog", "--drop-data"], "ordering\n", None),
        (["catalog"], "keep\n", None),
        (["catalog", "--archive"], "", "archive"),
    ],
)  # fmt: skip
def test_a_terminal_is_asked(shop, arguments, answers, data):
    code, said = at_a_terminal(shop, arguments, answers)
    assert "What goes with catalog" in said
    if data is None:
        assert (code, (shop / CATALOG).exists()) == (1, True)
        assert "nothing was written" in said
    else:
        assert code == 0, said
        assert moved()[0]["data"] == data
