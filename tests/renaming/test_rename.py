"""`scaffold rename-module`: one commit, or one sentence."""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from helpers import git, tree

from scaffold.renaming.rename import rename

MODULES = Path("src/app/modules")
MOVED = MODULES / "moved.toml"


@pytest.fixture(autouse=True)
def _catalog(shop: Path) -> None:
    """A module that hangs together: the tiny template's own imports nothing."""
    wiring = MODULES / "catalog/wiring.py"
    text = wiring.read_text()
    wiring.write_text(f"from . import Catalog\nfrom .service import CatalogService\n\n\n{text}")
    (MODULES / "catalog/service.py").write_text("class CatalogService: ...\n")
    (MODULES / "ordering/uses.py").write_text("from app.modules.catalog import Catalog\n")
    commit()


def commit() -> None:
    git(Path(), "add", "--all")
    git(Path(), "commit", "--quiet", "--message", "Edit")


def test_it_is_one_commit_in_which_git_follows_each_file(run):
    result = run("rename-module", "catalog", "articles")
    assert result.code == 0, result.err
    assert git(Path(), "status", "--porcelain") == ""
    assert git(Path(), "log", "-1", "--format=%s") == "Rename the module catalog to articles"
    assert not (MODULES / "catalog").exists()
    assert "from app.modules.articles import Articles" in (MODULES / "ordering/uses.py").read_text()
    assert 'rename = "catalog"\nto = "articles"\non = 20' in MOVED.read_text()
    file = f"{MODULES}/articles/module.toml"
    followed = git(Path(), "log", "--follow", "--format=%s", "--", file).splitlines()
    assert len(followed) == 2
    git(Path(), "reset", "--quiet", "--keep", "HEAD~1")
    assert (MODULES / "catalog/service.py").exists()
    assert not MOVED.exists()


def test_a_dry_run_shows_the_diff_and_writes_nothing(run, shop):
    before = tree(shop)
    result = run("rename-module", "catalog", "articles", "--dry-run")
    assert "-class CatalogService: ...\n+class ArticlesService: ...\n" in result.out
    assert tree(shop) == before


def test_json_says_where_everything_is(run):
    (Path("docs.md")).write_text("our catalog\n")
    commit()
    said = json.loads(run("rename-module", "catalog", "articles", "--json").out)
    was = {each.get("was"): each["path"] for each in said["files"]}
    assert was["src/app/modules/catalog/service.py"] == "src/app/modules/articles/service.py"
    assert said["left"] == [{"path": "docs.md", "line": 1, "text": "our catalog"}]
    assert said["commit"] == git(Path(), "rev-parse", "HEAD")


def test_finishing_is_recorded_once(run, refused):
    assert "all renames are finished" in refused("rename-module", "--finish", "catalog")
    run("rename-module", "catalog", "articles")
    assert "not finished: catalog -> articles" in refused("rename-module", "--finish", "articles")
    assert run("rename-module", "--finish", "catalog").code == 0
    assert MOVED.read_text().count("[[moved]]") == 2
    assert 'finish = "catalog"' in MOVED.read_text()
    assert git(Path(), "status", "--porcelain") == ""
    assert "all renames are finished" in refused("rename-module", "--finish", "catalog")
    assert run("rename-module", "articles", "catalog").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("billing", "invoicing"),
            "there is no module 'billing' to rename; there are catalog, ord",
        ),
        (("catalog", "ordering"), "is a module already"),
        (("catalog", "catalog"), "the module is called catalog already"),
        (("catalog", "Order-Lines"), "is no module name"),
        (("catalog", "order"), "is reserved"),
        (("catalog", "class"), "is reserved"),
        (("catalog", "a" * 31), "has 31 characters; use at most 30"),
        (("catalog", "order_ing"), "is too like the module"),
        (("catalog", "modules"), "is reserved"),
    ],
)
def test_a_name_that_will_not_do_is_refused(arguments, said, refused):
    assert said in refused("rename-module", *arguments)


@pytest.mark.parametrize(
    "arguments", [(), ("catalog",), ("a", "b", "--finish", "c"), ("catalog", "--finish", "catalog")]
)
def test_too_few_words_or_too_many_are_wrong_usage(arguments, run):
    assert run("rename-module", *arguments).code == 2


def test_what_is_not_committed_is_not_run_over(refused):
    def say(path: str, text: str) -> str:
        file = Path(path)
        before = file.read_text() if file.exists() else None
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        try:
            return refused("rename-module", "catalog", "articles")
        finally:
            file.unlink() if before is None else file.write_text(before)

    assert "is not as it is committed (M" in say("src/app/modules/catalog/service.py", "x = 1\n")
    assert "is not as it is committed (??" in say("src/app/modules/catalog/new.py", "x = 1\n")
    assert "has uncommitted changes" in say("README.md", "x\n")
    with Path(".gitignore").open("a") as file:
        file.write("*.local\n")
    commit()
    assert "would stay behind" in say("src/app/modules/catalog/a.local", "x\n")
    assert "is in the way" in say("src/app/modules/articles/a.local", "x\n")


def test_caches_of_either_name_are_in_nobodys_way(run):
    for name in ("catalog", "articles"):
        (MODULES / name / "__pycache__").mkdir(parents=True)
        (MODULES / name / "__pycache__/service.cpython-311.pyc").write_bytes(b"x")
    result = run("rename-module", "catalog", "articles")
    assert result.code == 0, result.err
    assert not (MODULES / "catalog").exists()


def test_a_class_of_the_new_name_is_refused(refused):
    (MODULES / "ordering/uses.py").write_text(
        "from app.modules.catalog import Catalog\n\n\nclass Articles(Catalog): ...\n"
    )
    commit()
    said = refused("rename-module", "catalog", "articles")
    assert "ordering/uses.py has Articles already" in said


@pytest.mark.parametrize(
    ("entries", "names", "said"),
    [
        (
            'rename = "old"\nto = "catalog"\non = 2026-01-01\n',
            ("catalog", "articles"),
            "catalog was old, and what stands in for that name is still there",
        ),
        (
            'rename = "old"\nto = "catalog"\non = 2026-01-01\n',
            ("catalog", "old"),
            "or take the commit of that rename back",
        ),
        (
            'rename = "old"\nto = "ordering"\non = 2026-01-01\n',
            ("catalog", "old"),
            "the name old still stands in for ordering",
        ),
        (
            'rename = "old"\nto = "catalog"\n\n[[moved]]\nrename = "old"\nto = "x"\n',
            ("catalog", "articles"),
            "renames old to catalog and to x, and neither is finished",
        ),
        ("rename = ", ("catalog", "articles"), "moved.toml is no TOML"),
    ],
)
def test_renames_that_are_not_finished_are_not_built_upon(entries, names, said, refused):
    MOVED.write_text(f"[[moved]]\n{entries}")
    commit()
    assert said in refused("rename-module", *names)


def test_two_modules_may_be_renamed_at_once_and_an_old_name_be_taken_once_it_is_free(run):
    MOVED.write_text(
        '[[moved]]\nrename = "old"\nto = "ordering"\non = 2026-01-01\n\n'
        '[[moved]]\nfinish = "old"\non = 2026-01-02\n'
    )
    commit()
    assert run("rename-module", "catalog", "articles").code == 0
    assert run("rename-module", "ordering", "old").code == 0
    assert MOVED.read_text().count("[[moved]]") == 4


def test_outside_of_a_repository_it_says_so(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert "is not inside a generated repository" in refused("rename-module", "a", "b")


def test_without_the_template_what_it_delivers_is_left_alone_with_a_warning(run, shop):
    for answers in shop.rglob(".copier-answers*.yml"):
        text = answers.read_text()
        line = next(line for line in text.splitlines() if "_src_path" in line)
        answers.write_text(text.replace(line, "_src_path: /nowhere/at/all"))
    Path("AGENTS.md").write_text("src/app/modules/catalog\n")
    Path("mine.md").write_text("src/app/modules/catalog\n")
    commit()
    result = run("rename-module", "catalog", "articles")
    assert result.code == 0
    assert "the template could not be read" in result.err
    assert Path("AGENTS.md").read_text() == "src/app/modules/catalog\n"
    assert Path("mine.md").read_text() == "src/app/modules/articles\n"


CHECK = """
import json, sys
print(json.dumps([{"file": "a.py", "line": 3, "kind": "copy", "text": f"COPY {sys.argv[1]}"}]))
raise SystemExit(1)
"""


def test_what_the_repositorys_own_check_finds_is_passed_on(run, shop):
    (shop / "checks").mkdir()
    (shop / "checks/renaming.py").write_text(CHECK)
    (shop / ".venv/bin").mkdir(parents=True)
    (shop / ".venv/bin/python").symlink_to(shutil.which("python3") or "")
    (shop / ".gitignore").write_text("__pycache__/\n.venv/\n")
    commit()
    refused = run("rename-module", "catalog", "articles")
    assert refused.code == 1
    assert refused.err.endswith("  a.py:3: COPY catalog\n")
    assert (MODULES / "catalog").is_dir()
    forced = run("rename-module", "catalog", "articles", "--force")
    assert forced.code == 0
    assert "a.py:3: COPY catalog" in forced.out


def state(shop: Path) -> tuple[object, ...]:
    listed = git(shop, "ls-files", "--stage")
    return tree(shop), listed, git(shop, "status", "--porcelain"), git(shop, "log", "--format=%T")


@pytest.mark.slow
def test_killed_or_interrupted_at_any_moment_it_is_as_before_or_as_after(shop, tmp_path):
    def start(folder: Path) -> int:
        ours = os.getpid()
        try:  # From the first moment on: a child that is interrupted must not go on as pytest.
            if not (child := os.fork()):
                signal.signal(signal.SIGINT, signal.default_int_handler)
                rename(folder, "catalog", "articles")
            return child
        finally:
            if os.getpid() != ours:
                os._exit(0)

    def settle(folder: Path) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until and any(
            os.path.realpath(each) == str(folder) for each in Path("/proc").glob("[0-9]*/cwd")
        ):
            time.sleep(0.02)

    os.chdir(tmp_path)
    before = state(shop)
    spare = shutil.copytree(shop, tmp_path / "spare", symlinks=True)
    began = time.monotonic()
    os.waitpid(start(spare), 0)
    took, after = time.monotonic() - began, state(spare)
    assert after != before
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # Shown where the test fails.
    chance = random.Random(seed)
    ends = set()
    for number in range(24):
        killed = shutil.copytree(shop, tmp_path / "killed", symlinks=True)
        child = start(killed)
        if number == 1:
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        elif number:
            time.sleep(took * chance.uniform(0.6 if number % 3 else 0, 1.1))
        os.kill(child, signal.SIGINT if number % 5 == 0 else signal.SIGKILL)
        os.waitpid(child, 0)
        settle(killed)
        now = state(killed)
        assert now in (before, after), number
        ends.add(now == after)
        if now == before and number % 6 == 0:  # And nothing is in the way of the next run.
            os.waitpid(start(killed), 0)
            assert state(killed) == after
        shutil.rmtree(killed)
    assert ends == {False, True}
