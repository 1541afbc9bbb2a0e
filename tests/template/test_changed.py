"""Only what a change can break is tested: its modules, and those that depend on them."""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest
from generated import ROOT, Generate, Repository

GRAPH: Mapping[str, list[str]] = {
    "billing": ["identity"],
    "catalog": [],
    "identity": [],
    "ordering": ["billing", "catalog"],
}


@pytest.fixture(scope="module")
def changed() -> Iterator[ModuleType]:
    """The generated `checks.changed`, which needs nothing installed."""
    sys.path.insert(0, str(ROOT / "template"))
    try:
        import checks.changed

        yield checks.changed
    finally:
        sys.path.pop(0)


@pytest.mark.parametrize(
    ("paths", "modules"),
    [
        ([], []),
        (["src/app/modules/ordering/service.py"], ["ordering"]),
        (["src/app/modules/catalog/tables.py"], ["catalog", "ordering"]),
        (["src/app/modules/identity/__init__.py"], ["billing", "identity", "ordering"]),
        (
            ["src/app/modules/catalog/README.md", "src/app/modules/billing/tests/test_jobs.py"],
            ["billing", "catalog", "ordering"],
        ),
        (
            ["README.md", "docs/scaling.md", "deploy/base/web.yaml", "compose.yaml", "CODEOWNERS"],
            [],
        ),
        (["tests/test_application.py", "src/app/modules/ordering/jobs.py"], ["ordering"]),
    ],
)
def test_a_module_is_tested_with_all_that_depend_on_it(
    changed: ModuleType, paths: list[str], modules: list[str]
) -> None:
    assert list(changed.select(paths, GRAPH).modules) == modules


@pytest.mark.parametrize(
    "path",
    [
        "src/app/platform/jobs/jobs.py",
        "src/app/main.py",
        "src/app/modules/__init__.py",
        "src/app/modules/gone/service.py",
        "pyproject.toml",
        "uv.lock",
        "conftest.py",
        "checks/sql.py",
        "Makefile",
        ".copier-answers.yml",
        ".github/workflows/ci.yml",
        "something/new.txt",
    ],
)
def test_what_belongs_to_no_module_can_break_every_one(changed: ModuleType, path: str) -> None:
    selection = changed.select(["src/app/modules/ordering/jobs.py", path], GRAPH)
    assert selection.modules is None
    assert path in selection.reason


@pytest.mark.parametrize(
    ("path", "rooms"),
    [
        ("src/app/platform/jobs/worker.py", ["jobs"]),
        ("src/app/platform/migrations/alembic/env.py", ["migrations"]),
        ("tests/platform/jobs/test_worker.py", ["jobs"]),
        ("src/app/development/console/pages.py", ["development"]),
        ("src/app/platform/errors.py", []),
        ("src/app/cli.py", []),
        ("src/app/modules/jobs/service.py", []),
        ("tests/platform/conftest.py", []),
        ("tests/platform/modules/catalog/tables.py", []),
        ("tests/jobs/test_worker.py", []),
    ],
)
def test_a_file_belongs_to_the_room_in_which_it_or_its_test_stands(
    changed: ModuleType, path: str, rooms: list[str]
) -> None:
    assert changed.rooms_of([path, path], {"jobs", "migrations", "development"}) == rooms


def arguments(shop: Repository, base: str = "main") -> str:
    """What pytest would be given; the reason, on stderr, comes first."""
    return shop.run(".venv/bin/python", "-m", "checks.changed", base).stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def shop(generate: Generate) -> Repository:
    """A repository in which ordering depends on nothing and billing on catalog."""
    shop = generate()
    shop.add_module("billing", "--depends-on", "catalog")
    shop.run("uv", "sync", "--quiet")
    shop.commit("Add billing")
    return shop


def test_work_that_is_not_committed_counts(shop: Repository) -> None:
    assert arguments(shop) == "tests"
    shop.replace("src/app/modules/ordering/README.md", "Owned", "Owned  ")
    assert arguments(shop) == "tests src/app/modules/ordering"
    (shop.path / "src/app/modules/billing/rates.py").write_text('"""Rates."""\n')
    assert arguments(shop) == "tests src/app/modules/billing src/app/modules/ordering"
    shop.git("checkout", "--quiet", ".")
    shop.git("clean", "--quiet", "--force", "src")


def test_what_the_base_got_meanwhile_does_not_count(shop: Repository) -> None:
    shop.git("switch", "--quiet", "--create", "feature")
    shop.replace("src/app/modules/catalog/README.md", "Owned", "Owned  ")
    shop.commit()
    shop.git("switch", "--quiet", "main")
    shop.replace("src/app/modules/ordering/README.md", "Owned", "Owned  ")
    shop.commit()
    shop.git("switch", "--quiet", "feature")
    assert arguments(shop) == "tests src/app/modules/billing src/app/modules/catalog"
    shop.git("switch", "--quiet", "main")


def test_a_folder_of_a_bigger_repository_hears_of_itself_alone(
    shop: Repository, tmp_path: Path
) -> None:
    below = Repository(tmp_path / "shop", shop.environment)
    files = shop.git("ls-files", "-z").split("\0")
    for file in filter(None, files):
        (below.path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shop.path / file, below.path / file)
    whole = Repository(tmp_path, shop.environment)
    whole.git("init", "--quiet", "--initial-branch", "main")
    whole.commit()
    below.replace("src/app/modules/ordering/README.md", "Owned", "Owned  ")
    (below.path / "src/app/modules/billing/rates.py").write_text('"""Rates."""\n')
    (tmp_path / "elsewhere.py").write_text("")
    done = below.run(sys.executable, "-m", "checks.changed", "main")
    expected = "tests src/app/modules/billing src/app/modules/ordering"
    assert done.stdout.splitlines()[-1] == expected


def test_without_a_base_everything_is_tested(shop: Repository) -> None:
    assert "no base" in arguments(shop, "")
    assert "no base" in arguments(shop, "0" * 40)


def test_an_unknown_base_is_one_sentence(shop: Repository) -> None:
    done = shop.run("make", "test-changed", "base=nowhere", check=False)
    assert done.returncode == 2
    assert "git knows no 'nowhere'. Fetch it, or name another: base=main." in done.stdout
    assert "Traceback" not in done.stdout
    assert "pytest" not in done.stdout


def test_histories_that_have_nothing_in_common_are_one_sentence(shop: Repository) -> None:
    tree = shop.git("write-tree").strip()
    other = shop.git("commit-tree", tree, "-m", "Elsewhere").strip()
    done = shop.run("make", "test-changed", f"base={other}", check=False)
    assert done.returncode == 2
    assert "no commit in common" in done.stdout
    assert "git fetch --unshallow" in done.stdout


def test_make_runs_what_was_selected(shop: Repository) -> None:
    shop.replace("src/app/modules/ordering/README.md", "Owned", "Owned ")
    printed = shop.make("test-changed", "base=HEAD")
    shop.git("checkout", "--quiet", ".")
    assert "Testing 1 of 3 modules (changed: ordering)." in printed
    assert "pytest tests src/app/modules/ordering" in printed
    assert re.search(r"\d+ passed", printed)


WORKER = "src/app/platform/jobs/worker.py"
EVERYTHING = "src tests/test_application.py tests/test_architecture.py tests/test_observability.py"
EVERYTHING += " tests/test_runbook.py"
JOBS = "Testing the platform's jobs: changed since "


def test_a_room_is_tested_as_long_as_it_is_not_as_it_was_delivered(shop: Repository) -> None:
    edited = ".venv/bin/python", "-m", "checks.changed", "--edited"
    assert shop.run(*edited).stdout == ""
    shop.replace(WORKER, "import asyncio", "import asyncio ")
    expected = [f"{JOBS}the template delivered them.", f"{EVERYTHING} tests/platform/jobs"]
    assert shop.run(*edited).stdout.splitlines() == expected
    shop.commit("Edit the worker")
    (shop.path / "src/app/development/more.py").write_text("")
    assert shop.run(*edited).stdout.endswith(" tests/platform/development tests/platform/jobs\n")
    (shop.path / "src/app/development/more.py").unlink()
    shop.replace(".copier-answers.yml", "_commit: ", "_commit:  ")
    shop.commit("Update from the template")
    assert shop.run(*edited).stdout == ""


def test_where_git_says_nothing_no_room_was_edited(shop: Repository, tmp_path: Path) -> None:
    for gone in ({"PATH": str(tmp_path)}, {"GIT_DIR": str(tmp_path)}):
        without = Repository(shop.path, shop.environment | gone)
        assert without.run(sys.executable, "-m", "checks.changed", "--edited").stdout == ""


def test_a_room_that_changed_is_tested_with_all_that_stands_on_it(shop: Repository) -> None:
    shop.replace(WORKER, "import asyncio", "import asyncio ")
    said = shop.run(".venv/bin/python", "-m", "checks.changed", "HEAD").stdout.splitlines()
    assert said[0].startswith(f"Testing everything: {WORKER} belongs to no module")
    assert said[1:] == [f"{JOBS}HEAD.", f"{EVERYTHING} tests/platform/jobs"]
    shop.git("checkout", "--quiet", ".")
    shop.replace("tests/platform/auth/test_tokens.py", "import base64", "import base64 ")
    assert arguments(shop, "HEAD") == EVERYTHING.removeprefix("src ") + " tests/platform/auth"
    shop.git("checkout", "--quiet", ".")


def test_make_test_runs_no_room_but_those_that_were_edited(shop: Repository) -> None:
    for target in ("test", "test-platform"):
        printed = shop.make("-n", target, "only=tests/platform/auth -k key")
        assert " ".join(printed.split()).endswith("run pytest tests/platform/auth -k key")
    rooms = re.compile(r"tests/platform/(\w+)")
    assert not rooms.search(shop.pytest("--collect-only").stdout)
    assert not (shop.path / ".local/postgres").exists(), (
        "a server was started for tests that do not run"
    )
    shop.replace("src/app/platform/cache/cache.py", '"""', '""" ')
    shop.replace("pyproject.toml", 'addopts = "', 'addopts = "--collect-only -q ')
    printed = shop.make("test")
    shop.git("checkout", "--quiet", ".")
    assert "Testing the platform's cache: " in printed
    assert {"cache"} == set(rooms.findall(printed))
    assert "src/app/modules/billing/tests/test_service.py::" in printed
    assert "tests/test_application.py::" in printed


@pytest.mark.slow
def test_one_module_of_twenty_costs_at_most_a_quarter(generate: Generate) -> None:
    """Counted in tests: how long they take depends on the machine."""
    shop = generate(modules=str([f"m{number}" for number in range(1, 19)]))
    shop.add_module("m19", "--depends-on", "m1")
    shop.add_module("m20", "--depends-on", "m19")
    shop.run("uv", "sync", "--quiet")
    shop.commit("Add two")
    shop.replace("src/app/modules/m19/service.py", "limit(limit)", "limit(limit + 0)")

    def count(*paths: str) -> int:
        printed = shop.pytest("--collect-only", *paths).stdout
        found = re.search(r"(\d+) tests collected", printed)
        assert found, printed
        return int(found[1])

    selected = arguments(shop).split()
    assert selected == ["tests", "src/app/modules/m19", "src/app/modules/m20"]
    assert count(*selected) <= count() / 4
