"""`scaffold update`: a real template with a history, real edits, real merges."""

import json
import os
import pty
from contextlib import suppress
from pathlib import Path

import pytest
from helpers import Run, command, git, tree
from histories import MODULE, TEN, Template, commit, edit


def test_app_and_modules_follow_in_one_commit(origin: Template, team: Path, run: Run) -> None:
    origin.write("docs/guide.md", TEN.replace("line 2\n", "line two\n"))
    origin.write(f"{MODULE}/service.py.jinja", "# new\n" + TEN + "# {{ module }}\n")
    origin.write("docs/new.md", "new\n")
    origin.release("v1.1.0")
    edit("docs/guide.md", "line 9", "our line 9")
    edit("src/app/modules/billing/service.py", "line 10", "our line 10")
    commit()
    before = git(team, "rev-list", "--count", "HEAD")
    result = run("update")
    assert result.code == 0, result
    assert int(git(team, "rev-list", "--count", "HEAD")) == int(before) + 1
    assert git(team, "log", "-1", "--format=%s") == "Update to template v1.1.0"
    assert git(team, "status", "--porcelain") == ""
    guide = Path("docs/guide.md").read_text()
    assert "line two" in guide
    assert "our line 9" in guide
    assert Path("docs/new.md").read_text() == "new\n"
    for module in ("billing", "catalog", "ordering"):
        service = Path(f"src/app/modules/{module}/service.py").read_text()
        assert service.startswith("# new\n")
        assert service.endswith(f"# {module}\n")
        answers = Path(f"src/app/modules/{module}/.copier-answers.module.yml").read_text()
        assert "v1.1.0" in answers
    assert "our line 10" in Path("src/app/modules/billing/service.py").read_text()
    again = run("update")
    assert (again.code, again.out) == (0, "Current: template v1.1.0.\n")


def test_a_conflict_is_exit_1_and_the_ordinary_state_of_git(
    origin: Template, team: Path, run: Run
) -> None:
    origin.write("docs/guide.md", TEN.replace("line 5", "their line 5"))
    origin.write("docs/new.md", "new\n")
    origin.release("v1.1.0")
    edit("docs/guide.md", "line 5", "our line 5")
    commit()
    before, head = tree(team), git(team, "rev-parse", "HEAD")
    result = run("update")
    assert result.code == 1
    assert "docs/guide.md: content" in result.out
    assert git(team, "diff", "--name-only", "--diff-filter=U") == "docs/guide.md"
    guide = Path("docs/guide.md").read_text()
    assert "<<<<<<< yours\n" in guide
    assert "||||||| template-v1.0.0\n" in guide
    assert ">>>>>>> template-v1.1.0\n" in guide
    assert "is in progress" in run("update").err
    git(team, "cherry-pick", "--abort")
    assert (tree(team), git(team, "rev-parse", "HEAD")) == (before, head)
    assert git(team, "status", "--porcelain") == ""
    assert run("update").code == 1
    Path("docs/guide.md").write_text(TEN)
    git(team, "add", "--all")
    git(team, "commit", "--quiet", "--no-edit")
    assert git(team, "log", "-1", "--format=%s") == "Update to template v1.1.0"
    assert len(git(team, "log", "-1", "--format=%P").split()) == 1
    assert run("update").code == 0


def test_what_the_template_moved_takes_the_teams_edits_along(
    origin: Template, team: Path, run: Run
) -> None:
    origin.move("src/app/platform/health.py", "src/app/platform/web/health.py")
    origin.release("v1.1.0")
    for number in (1, 2, 3):  # Each step is alike, the whole way is not.
        text = (origin.root / "template/src/app/platform/web/health.py").read_text()
        text = (
            text.replace(f"value_{number * 3} = ", f"renamed_{number} = 1") + f"x{number} = 1\n" * 3
        )
        origin.write("src/app/platform/web/health.py", text)
        origin.release(f"v1.{number + 1}.0")
    edit("src/app/platform/health.py", "value_1 = 1", "value_1 = 100")
    commit()
    result = run("update")
    assert result.code == 0, result
    assert "src/app/platform/health.py -> src/app/platform/web/health.py" in result.out
    assert "value_1 = 100" in Path("src/app/platform/web/health.py").read_text()
    assert not Path("src/app/platform/health.py").exists()


def test_what_the_team_moved_takes_the_templates_changes_along(
    origin: Template, team: Path, run: Run
) -> None:
    origin.write("docs/guide.md", TEN.replace("line 2\n", "line two\n"))
    origin.release("v1.1.0")
    Path("handbook").mkdir()
    Path("docs/guide.md").rename("handbook/manual.md")
    edit("handbook/manual.md", "line 9", "our line 9")
    commit()
    assert run("update").code == 0
    manual = Path("handbook/manual.md").read_text()
    assert "line two" in manual
    assert "our line 9" in manual
    assert not Path("docs/guide.md").exists()


def test_new_files_follow_a_folder_that_the_team_moved(
    origin: Template, team: Path, run: Run
) -> None:
    origin.write("docs/new.md", "new\n")
    origin.release("v1.1.0")
    Path("docs").rename("handbook")
    commit()
    assert run("update").code == 0
    assert Path("handbook/new.md").exists()
    assert not Path("docs").exists()


def test_what_the_team_deleted_stays_deleted_and_is_told(
    origin: Template, team: Path, run: Run
) -> None:
    origin.write("docs/guide.md", TEN + "more\n")
    origin.release("v1.1.0")
    Path("docs/guide.md").unlink()
    commit()
    result = run("update", "--json")
    assert result.code == 0
    assert json.loads(result.out)["stays_deleted"] == ["docs/guide.md"]
    assert not Path("docs/guide.md").exists()


def test_what_the_template_dropped_is_kept_where_the_team_edited_it(
    origin: Template, team: Path, run: Run
) -> None:
    (origin.root / "template/docs/guide.md").unlink()
    (origin.root / "template/src/app/platform/health.py").unlink()
    origin.release("v1.1.0")
    edit("docs/guide.md", "line 1\n", "our line 1\n")
    commit()
    result = run("update", "--json")
    assert result.code == 0
    assert json.loads(result.out)["kept"] == ["docs/guide.md"]
    assert "our line 1" in Path("docs/guide.md").read_text()
    assert not Path("src/app/platform/health.py").exists()


def test_a_module_that_was_removed_does_not_come_back_nor_change_another(
    origin: Template, team: Path, run: Run
) -> None:
    origin.write(f"{MODULE}/service.py.jinja", "# new\n" + TEN + "# {{ module }}\n")
    origin.write(f"{MODULE}/MORE.md", "more\n")
    origin.release("v1.1.0")
    git(team, "rm", "-rq", "src/app/modules/catalog")
    commit("Remove catalog")
    assert run("update").code == 0
    assert not Path("src/app/modules/catalog").exists()
    service = Path("src/app/modules/ordering/service.py").read_text()
    assert service == "# new\n" + TEN + "# ordering\n"


def test_a_module_ahead_of_the_app_has_a_base_of_its_own(
    origin: Template, team: Path, run: Run
) -> None:
    origin.write(f"{MODULE}/service.py.jinja", "# one\n" + TEN + "# {{ module }}\n")
    origin.release("v1.1.0")
    service = Path("src/app/modules/billing/service.py")
    service.write_text("# one\n" + TEN + "# billing\n")
    edit("src/app/modules/billing/.copier-answers.module.yml", "v1.0.0", "v1.1.0")
    commit("Update billing alone")
    origin.write(f"{MODULE}/service.py.jinja", "# two\n" + TEN + "# {{ module }}\n")
    origin.release("v1.2.0")
    result = run("update", "--json")
    assert result.code == 0, result
    assert json.loads(result.out)["modules_behind"] == {"billing": "v1.1.0"}
    assert service.read_text() == "# two\n" + TEN + "# billing\n"


def test_both_added_the_same_file(origin: Template, team: Path, run: Run) -> None:
    origin.write("docs/new.md", "theirs\n")
    origin.release("v1.1.0")
    Path("docs/new.md").write_text("ours\n")
    commit()
    result = run("update")
    assert result.code == 1
    assert "docs/new.md: both added" in result.out


def test_a_document_that_lines_merged_into_a_broken_one_is_a_conflict(
    origin: Template, team: Path, run: Run
) -> None:
    lines = "".join(f'key_{number} = "{number}"\n' for number in range(10))
    origin.write("settings.toml", lines)
    origin.release("v1.1.0")
    assert run("update").code == 0
    origin.write("settings.toml", 'added = "by them"\n' + lines)
    origin.release("v1.2.0")
    Path("settings.toml").write_text(lines + 'added = "by us"\n')
    commit()
    result = run("update")
    assert result.code == 1
    assert "settings.toml: merged line by line, it is broken" in result.out
    assert git(team, "diff", "--name-only", "--diff-filter=U") == "settings.toml"


def test_line_ends_of_the_team_are_kept(origin: Template, team: Path, run: Run) -> None:
    origin.write("docs/guide.md", TEN.replace("line 2\n", "line two\n"))
    origin.release("v1.1.0")
    Path("docs/guide.md").write_bytes(TEN.replace("\n", "\r\n").encode())
    commit()
    assert run("update").code == 0
    merged = Path("docs/guide.md").read_bytes()
    assert merged == TEN.replace("line 2\n", "line two\n").replace("\n", "\r\n").encode()


def test_a_file_that_git_does_not_have_is_never_written_over(
    origin: Template, team: Path, run: Run
) -> None:
    origin.write(".env", "theirs\n")
    origin.release("v1.1.0")
    Path(".gitignore").write_text("__pycache__/\n.env\n")
    commit()
    Path(".env").write_text("ours\n")
    head = git(team, "rev-parse", "HEAD")
    result = run("update")
    assert result.code == 1
    assert ".env would be written over" in result.err
    assert Path(".env").read_text() == "ours\n"
    assert git(team, "rev-parse", "HEAD") == head


def test_uncommitted_changes_are_refused_but_for_a_branch(
    origin: Template, team: Path, run: Run
) -> None:
    origin.write("docs/new.md", "new\n")
    origin.release("v1.1.0")
    edit("docs/guide.md", "line 1\n", "our line 1\n")
    assert "uncommitted changes" in run("update").err
    before = tree(team)
    result = run("update", "--branch", "newer")
    assert result.code == 0, result
    assert tree(team) == before
    assert git(team, "show", "newer:docs/new.md") == "new"
    assert git(team, "log", "-1", "--format=%s", "newer") == "Update to template v1.1.0"


def test_dry_run_and_check_write_nothing(origin: Template, team: Path, run: Run) -> None:
    assert run("update", "--check").code == 0
    origin.write("docs/new.md", "new\n")
    origin.release("v1.1.0")
    before, count = tree(team), git(team, "count-objects")
    assert run("update", "--check").code == 1
    assert run("update", "--dry-run").code == 0
    assert tree(team) == before
    assert git(team, "count-objects") == count


@pytest.mark.usefixtures("team")
def test_where_git_knows_nobody_an_update_is_told_and_not_made(
    origin: Template, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.write("docs/guide.md", TEN.replace("line 2\n", "line two\n"))
    origin.release("v1.1.0")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    assert "to v1.1.0: 5 files, 0 in conflict" in run("update", "--dry-run").out
    assert run("update", "--check").code == 1
    assert "set `git config --global user.name` and `user.email`\n" in run("update").err


def test_new_questions_take_their_defaults_and_it_is_said(
    origin: Template, team: Path, run: Run
) -> None:
    with (origin.root / "copier.yml").open("a") as questions:
        questions.write("\nregion:\n  type: str\n  default: eu\n")
    origin.write("region.txt.jinja", "{{ region }}\n")
    origin.release("v1.1.0")
    result = run("update")
    assert "region: 'eu'" in result.out
    assert Path("region.txt").read_text() == "eu\n"
    assert "region: eu" in Path(".copier-answers.yml").read_text()


@pytest.mark.usefixtures("team")
def test_a_migration_that_databases_may_have_is_never_changed(origin: Template, run: Run) -> None:
    name = "migrations/0001_create.py"
    origin.write(f"{MODULE}/{name}", 'revision = "0001"\n' + TEN)
    origin.release("v1.1.0")
    assert run("update").code == 0
    written = Path("src/app/modules/billing", name).read_text()
    origin.write(f"{MODULE}/{name}", 'revision = "0001"\n' + TEN + "one column more\n")
    origin.release("v1.2.0")
    result = run("update")
    assert result.code == 0
    assert Path("src/app/modules/billing", name).read_text() == written
    assert "Migrations that stay as databases have them" in result.out
    assert f"  src/app/modules/billing/{name}" in result.out
    assert run("update").out == "Current: template v1.2.0.\n"


def test_new_questions_are_asked_on_a_terminal(origin: Template, team: Path) -> None:
    with (origin.root / "copier.yml").open("a") as questions:
        questions.write("\nregion:\n  type: str\n  help: Where it runs.\n  default: eu\n")
        questions.write(
            "  choices: {Europe: eu, America: us}\nzone:\n  type: str\n  default: '{{ region }}-1'\n"
        )
    origin.write("region.txt.jinja", "{{ region }} {{ zone }}\n")
    origin.release("v1.1.0")
    code, said = on_a_terminal(b"mars\rus\r\r", "update")
    assert code == 0, said
    assert "Where it runs. (eu, us)" in said
    assert "'mars' to region is none of eu, us" in said
    assert "answered by their defaults" not in said
    assert Path("region.txt").read_text() == "us us-1\n"
    assert "region: us" in Path(".copier-answers.yml").read_text()
    assert git(team, "status", "--porcelain") == ""


def on_a_terminal(typed: bytes, *arguments: str) -> tuple[int, str]:
    """Run scaffold on a terminal; return its exit code, and what it said there."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("env", command(*arguments))
    said = b""
    os.write(terminal, typed)
    with suppress(OSError):  # How a terminal says that nobody is left at its other end.
        while some := os.read(terminal, 65536):
            said += some
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said.decode()


@pytest.mark.usefixtures("team")
def test_changed_bounds_of_dependencies_are_told(origin: Template, run: Run) -> None:
    for version, bound in (("v1.1.0", "httpx>=0.27,<0.28"), ("v1.2.0", "httpx>=0.28,<0.29")):
        project = f'[project]\nname = "shop"\ndependencies = ["{bound}"]\n'
        origin.write("pyproject.toml", f'{project}[dependency-groups]\ndev = ["ruff>=1"]\n')
        origin.release(version)
    assert run("update", "--to", "v1.1.0").code == 0
    result = run("update")
    assert "Dependencies:\n  httpx: <0.28,>=0.27 -> <0.29,>=0.28\n" in result.out


@pytest.mark.usefixtures("team")
def test_a_conflict_is_told_with_the_versions_of_both_sides(origin: Template, run: Run) -> None:
    edit("docs/guide.md", "line 5", "our line 5")
    commit()
    origin.write("docs/guide.md", TEN.replace("line 5", "their line 5"))
    origin.release("v1.1.0")
    result = run("update", "--json")
    (found,) = json.loads(result.out)["conflicts"]
    assert (found["path"], found["kind"]) == ("docs/guide.md", "content")
    assert (found["from"], found["to"]) == ("v1.0.0", "v1.1.0")
    for stage, side in ((1, "base"), (2, "yours"), (3, "template")):
        assert found[side] == git(Path(), "rev-parse", f":{stage}:docs/guide.md")


def test_an_answer_that_the_new_version_refuses_is_refused_by_name(
    origin: Template, team: Path, run: Run
) -> None:
    questions = (origin.root / "copier.yml").read_text()
    (origin.root / "copier.yml").write_text(
        questions.replace("default: shop", "default: shop\n  choices: [web]", 1)
    )
    origin.release("v1.1.0")
    before = tree(team)
    result = run("update")
    assert result.code == 1
    assert "project_name" in result.err
    assert result.err.count("\n") == 1
    assert tree(team) == before


def test_a_version_that_does_not_exist_is_one_sentence(team: Path, run: Run) -> None:
    result = run("update", "--to", "v9.9.9")
    assert result.code == 1
    assert "has no version v9.9.9; its newest is v" in result.err


def test_a_repository_in_a_folder_of_a_bigger_one_is_updated_there(
    origin: Template, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = tmp_path / "big"
    big.mkdir()
    git(big, "init", "--quiet", "--initial-branch=main")
    (big / "other.txt").write_text("other\n")
    monkeypatch.chdir(big)
    assert run("new", "shop", "--defaults", "--no-git", "--from", str(origin.root)).code == 0
    commit("Start")
    origin.write("docs/guide.md", TEN.replace("line 5", "their line 5"))
    origin.release("v1.1.0")
    monkeypatch.chdir(big / "shop")
    assert run("update").code == 0
    assert git(big, "status", "--porcelain") == ""
    assert "their line 5" in (big / "shop/docs/guide.md").read_text()
    assert (big / "other.txt").exists()
    edit("docs/guide.md", "line 1\n", "our line 1\n")
    commit()
    origin.write("docs/guide.md", TEN.replace("line 1\n", "their line 1\n"))
    origin.release("v1.2.0")
    assert run("update").code == 1
    assert git(big, "diff", "--name-only", "--diff-filter=U") == "shop/docs/guide.md"
