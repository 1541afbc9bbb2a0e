"""Making checks, choosing them, and mending what they find."""

import shutil
from pathlib import Path

import pytest
from ailing import TODAY
from helpers import Run, git, tree
from histories import edit

from scaffold.doctor.checks import CHECKS, OF_DATABASE
from scaffold.doctor.examining import choose, examine

REVIEWS = "/src/app/modules/reviews/ @acme/team\n"
CATALOG = "/src/app/modules/catalog/ @acme/team\n"


def test_ids_are_never_used_twice() -> None:
    assert [check.id for check in CHECKS] == [f"SC-{n:03}" for n in range(1, len(CHECKS) + 1)]


def test_a_repository_that_is_on_the_path_hears_one_line(shop: Path, run: Run) -> None:
    result = run("doctor")
    assert (result.code, result.err) == (0, "")
    assert result.out == "Nothing off the path (template v1.0.0, newest v1.0.0).\n"


def test_only_what_was_asked_for_is_looked_at(shop: Path, run: Run) -> None:
    edit("CODEOWNERS", CATALOG, "")
    Path("docs/guide.md").unlink()
    assert run("doctor", "--only", "SC-010").code == 0
    result = run("doctor", "--only", "sc-013", "--only", "SC-010")
    assert result.code == 1
    assert result.out.count("See: docs/doctor.md#") == 2
    assert result.out.startswith("error SC-013: ")


def test_errors_come_first_and_are_exit_1_and_advice_is_0(shop: Path, run: Run) -> None:
    Path("docs/guide.md").unlink()
    assert run("doctor").code == 0
    edit("CODEOWNERS", CATALOG, "")
    result = run("doctor")
    assert result.code == 1
    assert result.out.index("error SC-013") < result.out.index("advice SC-010")
    assert "\n1 error, 1 to think about (template" in result.out


def test_derived_lines_are_mended_and_what_was_written_is_left(shop: Path, run: Run) -> None:
    Path("src/app/modules/billing/tests").mkdir(parents=True)
    for name, text in (
        ("__init__.py", ""),
        ("module.toml", 'owner = "@acme/b"\ndepends_on = []\n'),
    ):
        Path("src/app/modules/billing", name).write_text(text)
    edit("CODEOWNERS", CATALOG, f"# ours\n/docs/ @acme/writers\n{REVIEWS}{CATALOG}")
    edit("CODEOWNERS", "ordering/ @acme/team", "ordering/ @acme/orders")
    before = {path: text for path, text in tree(shop).items() if path != "CODEOWNERS"}
    result = run("doctor", "--fix")
    assert result.out.startswith("Mended CODEOWNERS (SC-013).\n")
    assert result.code == 1
    assert "gives ordering to @acme/orders" in result.out
    text = Path("CODEOWNERS").read_text()
    assert "# ours\n/docs/ @acme/writers\n" in text
    assert "/src/app/modules/billing/ @acme/b\n" in text
    assert REVIEWS not in text
    assert {path: text for path, text in tree(shop).items() if path != "CODEOWNERS"} == before
    assert "Mended" not in run("doctor", "--fix").out


def test_a_conflict_in_codeowners_is_not_mended(shop: Path, run: Run) -> None:
    marked = f"<<<<<<< yours\n{REVIEWS}=======\n>>>>>>> theirs\n"
    edit("CODEOWNERS", CATALOG, marked)
    before = tree(shop)
    result = run("doctor", "--fix")
    assert result.code == 1
    assert "error SC-011: CODEOWNERS" in result.out
    assert "Mended" not in result.out
    assert tree(shop) == before


def test_what_is_asked_wrongly_is_exit_2(shop: Path, run: Run) -> None:
    for arguments, said in (
        (("--only", "SC-099"), "no check is called SC-099; there are SC-001 to SC-025"),
        (("--only", "SC-021"), "SC-021 is about a live database: name it by --database URL"),
        (("--database",), "requires an argument"),
    ):
        result = run("doctor", *arguments)
        assert (result.code, result.out) == (2, "")
        assert said in result.err
        assert result.err.count("\n") == 1


def test_what_is_no_repository_is_one_sentence(tmp_path: Path, monkeypatch, refused) -> None:
    monkeypatch.chdir(tmp_path)
    assert "is not inside a generated repository" in refused("doctor")
    (tmp_path / "src/app/modules").mkdir(parents=True)
    assert ".copier-answers.yml is missing" in refused("doctor")
    assert "is no folder" in refused("doctor", "-C", "nowhere")


@pytest.mark.usefixtures("shop")
def test_what_is_not_to_be_had_is_one_sentence(refused, run: Run) -> None:
    assert "run `uv sync`" in refused("doctor", "--database", "postgresql://shop@127.0.0.1:1/shop")
    assert "/nowhere is not there" in refused("doctor", "--from", "/nowhere")
    assert "bot" not in refused("doctor", "--from", "https://bot:hunter2@example.com/t.git")
    result = run("doctor", "--fetch", "--from", "file:///nowhere/template.git")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("scaffold: file:///nowhere/template.git cannot be reached")
    assert (
        '"error": "file:///nowhere'
        in run("doctor", "--fetch", "--from", "file:///nowhere", "--json").out
    )


def test_checks_of_a_database_are_made_of_a_database_alone() -> None:
    assert not {check.id for check in choose([], None)} & set(OF_DATABASE)
    assert set(OF_DATABASE) < {check.id for check in choose([], "postgresql://a@b/c")}


def test_a_repository_in_a_folder_of_a_larger_one_is_looked_at(
    park: Path, tmp_path: Path, look, monkeypatch
) -> None:
    shutil.copytree(park / "shop", tmp_path / "all/shop", ignore=shutil.ignore_patterns(".git"))
    monkeypatch.chdir(tmp_path / "all/shop")
    git(tmp_path / "all", "init", "--quiet")
    git(tmp_path / "all", "add", "--all")
    git(tmp_path / "all", "commit", "--quiet", "--message", "All")
    assert examine(Path(), choose([], None), today=TODAY).findings == []
    worker = "src/app/platform/jobs/worker.py"
    git(Path(), "mv", worker, "src/app/platform/jobs/runner.py")
    edit("src/app/platform/health.py", "value_1 ", "value_one ")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-02-01T12:00:00")
    git(Path(), "commit", "--quiet", "--all", "--message", "Edit")
    assert look("SC-008") == ["the room health of the platform is edited since 2026-02-01"]
    assert look("SC-010") == [f"moved: {worker} -> src/app/platform/jobs/runner.py"]
