"""`scaffold update` where a repository, its place or its answers are odd, and right all the same."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from helpers import Run, command, git, tree
from histories import MODULE, TEN, Template, commit, edit

ANSWERS = ".copier-answers.yml"


@pytest.fixture
def newer(origin: Template, team: Path) -> Template:
    """The template, one version further, with a change in a file that the team has edited."""
    origin.write("docs/guide.md", TEN.replace("line 2\n", "line two\n"))
    origin.write("docs/new.md", "new\n")
    origin.release("v1.1.0")
    edit("docs/guide.md", "line 9", "our line 9")
    commit()
    return origin


def check_updated(root: Path) -> None:
    guide = (root / "docs/guide.md").read_text()
    assert "line two\n" in guide
    assert "our line 9" in guide
    assert (root / "docs/new.md").read_text() == "new\n"
    assert git(root, "status", "--porcelain") == ""


def updated(run: Run, *arguments: str) -> dict:
    result = run("update", "--json", *arguments)
    assert result.code == 0, result
    return json.loads(result.out)


def test_a_detached_head(newer: Template, team: Path, run: Run) -> None:
    git(team, "checkout", "--quiet", "--detach")
    updated(run)
    check_updated(team)
    assert git(team, "log", "-1", "--format=%s", "main") == "Edit"


@pytest.mark.parametrize("line", ["line two\n", "their line 9\n"])
def test_a_worktree(newer: Template, team: Path, run: Run, monkeypatch, line: str) -> None:
    git(team, "worktree", "add", "--quiet", "../tree")
    monkeypatch.chdir("../tree")
    updated(run)
    check_updated(Path.cwd())
    newer.write("docs/guide.md", TEN.replace("line 9\n", "their line 9\n"))
    newer.release("v1.2.0")
    assert run("update").code == 1
    assert git(Path(), "diff", "--name-only", "--diff-filter=U") == "docs/guide.md"
    git(Path(), "cherry-pick", "--abort")
    check_updated(Path.cwd())
    assert git(team, "status", "--porcelain") == ""


def test_a_shallow_clone(newer: Template, team: Path, run: Run, tmp_path, monkeypatch) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{team}", "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    updated(run)
    check_updated(tmp_path / "shallow")


def test_a_partial_clone(newer: Template, team: Path, run: Run, tmp_path, monkeypatch) -> None:
    git(team, "config", "uploadpack.allowFilter", "true")
    git(team, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", f"file://{team}", "partial")
    monkeypatch.chdir(tmp_path / "partial")
    updated(run)
    check_updated(tmp_path / "partial")


def test_a_sparse_checkout(newer: Template, team: Path, run: Run) -> None:
    newer.write(f"{MODULE}/service.py.jinja", "# new\n" + TEN + "# {{ module }}\n")
    newer.release("v1.2.0")
    git(team, "sparse-checkout", "set", "docs", "src/app/modules/catalog")
    assert not Path("src/app/modules/billing").exists()
    updated(run)
    check_updated(team)
    assert not Path("src/app/modules/billing").exists()
    for module in ("billing", "catalog"):
        said = git(team, "show", f"HEAD:src/app/modules/{module}/service.py")
        assert said.startswith("# new\n"), module


def test_a_conflict_outside_of_a_sparse_checkout_can_be_taken_back(
    newer: Template, team: Path, run: Run
) -> None:
    newer.write("docs/guide.md", TEN.replace("line 9\n", "their line 9\n"))
    newer.release("v1.2.0")
    git(team, "sparse-checkout", "set", "src")
    before, index = tree(team), git(team, "ls-files", "--stage")
    assert run("update").code == 1
    assert git(team, "diff", "--name-only", "--diff-filter=U") == "docs/guide.md"
    assert "<<<<<<< yours" in Path("docs/guide.md").read_text()
    git(team, "cherry-pick", "--abort")
    assert git(team, "ls-files", "--stage") == index
    assert git(team, "status", "--porcelain") == ""
    left = tree(team)
    left.pop("docs/guide.md", None)
    assert left == before


def test_files_that_were_touched_are_no_changes(newer: Template, team: Path, run: Run) -> None:
    newer.write("docs/guide.md", TEN.replace("line 9\n", "their line 9\n"))
    newer.release("v1.2.0")
    for file in git(team, "ls-files").splitlines():
        os.utime(file, (0, 0))
    result = run("update")
    assert (result.code, result.err) == (1, "")
    assert git(team, "diff", "--name-only", "--diff-filter=U") == "docs/guide.md"


def test_a_submodule_stays_as_it_is(newer: Template, team: Path, run: Run, tmp_path) -> None:
    git(
        team,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(newer.root),
        "sub",
    )
    commit("Submodule")
    (team / "sub/untracked.txt").write_text("mine\n")
    (team / "sub/copier.yml").write_text("mine\n")
    at = git(team, "rev-parse", "HEAD:sub")
    updated(run)
    assert git(team, "rev-parse", "HEAD:sub") == at
    assert (team / "sub/copier.yml").read_text() == "mine\n"


def test_large_files_are_not_in_git_and_are_no_trouble(
    newer: Template, team: Path, run: Run
) -> None:
    """Without the program of git-lfs at hand: what git has is a pointer, and it is merged as text."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    newer.write("data.bin", pointer)
    newer.release("v1.2.0")
    Path(".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    Path("own.bin").write_text(pointer)
    commit()
    updated(run)
    check_updated(team)
    assert Path("data.bin").read_text() == pointer


def test_names_that_are_no_utf_8(newer: Template, team: Path, run: Run) -> None:
    name = os.fsdecode(b'docs/caf\xe9 "quoted"\ttab.md')
    Path(name).write_text("ours\n")
    commit()
    updated(run)
    assert Path(name).read_text() == "ours\n"
    newer.write("docs/guide.md", "all new\n")
    newer.release("v1.2.0")
    Path("docs/guide.md").rename(name)
    edit(name, "our line 9", "our line nine")
    commit()
    result = run("update")
    assert result.code == 1
    assert "caf\\udce9" in result.out
    git(team, "cherry-pick", "--abort")
    assert git(team, "status", "--porcelain") == ""


def test_names_that_differ_in_case_alone(origin: Template, team: Path, run: Run) -> None:
    origin.move("docs/guide.md", "docs/Guide.md")
    origin.release("v1.1.0")
    edit("docs/guide.md", "line 9", "our line 9")
    commit()
    assert updated(run)["moved"] == {"docs/guide.md": "docs/Guide.md"}
    assert "our line 9" in Path("docs/Guide.md").read_text()
    assert not Path("docs/guide.md").exists()


def test_what_git_is_told_to_do_for_its_user(newer: Template, team: Path, run: Run) -> None:
    for name, value in {
        "diff.external": "false",
        "color.ui": "always",
        "log.showSignature": "true",
        "merge.ff": "false",
        "merge.conflictStyle": "merge",
        "diff.renames": "false",
        "protocol.file.allow": "never",
        "core.autocrlf": "true",
        "core.quotePath": "false",
        "status.showUntrackedFiles": "all",
        "commit.gpgSign": "true",
    }.items():
        git(team, "config", name, value)
    (newer.root / "CHANGELOG.md").write_text("# v1.2.0\n")
    newer.move("docs/guide.md", "guide.md")
    newer.release("v1.2.0")
    said = updated(run)
    assert "# v1.2.0" in said["changelog"]
    assert said["moved"] == {"docs/guide.md": "guide.md"}


def test_a_repository_ahead_of_the_newest_release_is_current(
    origin: Template, team: Path, run: Run
) -> None:
    origin.write("docs/new.md", "new\n")
    origin.release("edge")
    edge = git(origin.root, "rev-parse", "HEAD")
    assert updated(run, "--to", "edge")["to"] == edge
    head = git(team, "rev-parse", "HEAD")
    assert updated(run)["current"]
    assert run("update", "--check").code == 0
    assert git(team, "rev-parse", "HEAD") == head
    assert Path("docs/new.md").exists()


def test_an_answer_that_only_the_new_version_takes_is_a_way_out(
    origin: Template, team: Path, run: Run
) -> None:
    questions = (origin.root / "copier.yml").read_text()
    for version, choices in (("v1.1.0", "[eu, us]"), ("v1.2.0", "[north, south]")):
        default = choices[1:3] if version == "v1.1.0" else "north"
        (origin.root / "copier.yml").write_text(
            f"{questions}\nregion:\n  type: str\n  default: {default}\n  choices: {choices}\n"
        )
        origin.write("region.txt.jinja", "{{ region }}\n")
        origin.release(version)
    assert run("update", "--to", "v1.1.0").code == 0
    assert "is none of north, south; mend it there" in run("update").err
    edit(ANSWERS, "region: eu", "region: south")
    commit()
    updated(run)
    assert "region: south" in Path(ANSWERS).read_text()


def test_answers_that_no_question_takes_are_told(origin: Template, team: Path, run: Run) -> None:
    origin.write("docs/new.md", "new\n")
    origin.release("v1.1.0")
    with Path(ANSWERS).open("a") as answers:
        answers.write("cost_centre: 42\n")
    commit()
    assert updated(run)["dropped"] == {"cost_centre": 42}


def test_answers_written_in_another_way_are_no_change(
    origin: Template, team: Path, run: Run
) -> None:
    with Path(ANSWERS).open("a") as answers:
        answers.write("# Ask the platform team before you change this.\n")
    commit()
    assert run("update", "--check").code == 0
    assert updated(run)["current"]


def test_modules_that_do_not_follow_are_told(origin: Template, team: Path, run: Run) -> None:
    Path("src/app/modules/catalog/.copier-answers.module.yml").unlink()
    edit("src/app/modules/billing/.copier-answers.module.yml", str(origin.root), "/elsewhere")
    commit()
    origin.write(f"{MODULE}/service.py.jinja", "# new\n" + TEN + "# {{ module }}\n")
    origin.release("v1.1.0")
    said = updated(run)
    assert said["left"] == {
        "billing": "it records another template, /elsewhere",
        "catalog": "it has no .copier-answers.module.yml",
    }
    assert "# new" in Path("src/app/modules/ordering/service.py").read_text()
    assert "# new" not in Path("src/app/modules/billing/service.py").read_text()
    assert "Modules left alone:" in run("update").out


def test_a_module_that_the_template_has_no_more_is_left_alone(
    template: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "template"
    git(tmp_path, "clone", "--quiet", str(template), str(root))
    assert (
        run("new", str(tmp_path / "shop"), "--defaults", "--example", "--from", str(root)).code == 0
    )
    monkeypatch.chdir(tmp_path / "shop")
    before = tree(Path("src/app/modules/greeting"))
    git(root, "rm", "-rq", "examples/shop/greeting")
    git(root, "commit", "--quiet", "--message", "Drop it")
    git(root, "tag", "v0.3.0")
    assert "greeting" in updated(run)["left"]
    assert tree(Path("src/app/modules/greeting")) == before


def test_what_is_not_committed_has_no_say(newer: Template, team: Path, run: Run) -> None:
    edit(ANSWERS, "v1.0.0", "v9.9.9")
    planned = updated(run, "--dry-run")
    assert (planned["from"], planned["to"]) == ("v1.0.0", "v1.1.0")
    assert updated(run, "--branch", "newer")["written"]
    git(team, "stash", "--quiet")
    git(team, "switch", "--quiet", "newer")
    check_updated(team)


def test_a_line_that_one_side_removed_from_codeowners_does_not_come_back(
    origin: Template, team: Path, run: Run
) -> None:
    Path(".gitattributes").write_text("/CODEOWNERS merge=union\n")
    edit("CODEOWNERS", "* @acme/team\n", "* @acme/ours\n")
    commit()
    text = (origin.root / "template/CODEOWNERS.jinja").read_text()
    origin.write("CODEOWNERS.jinja", "/deploy/ @acme/platform\n" + text)
    origin.release("v1.1.0")
    assert run("update").code == 0
    lines = Path("CODEOWNERS").read_text().splitlines()
    assert "* @acme/team" not in lines
    assert "* @acme/ours" in lines
    assert "/deploy/ @acme/platform" in lines


def test_a_loop_in_a_path_moves_each_of_its_files(origin: Template, team: Path, run: Run) -> None:
    loop = "{% yield module from modules %}{{ module }}{% endyield %}.md"
    origin.write(f"docs/{loop}", TEN)
    origin.release("v1.1.0")
    updated(run)
    edit("docs/catalog.md", "line 3", "catalog's line 3")
    edit("docs/ordering.md", "line 3", "ordering's line 3")
    commit()
    origin.move(f"docs/{loop}", f"pages/{loop}")
    origin.release("v1.2.0")
    updated(run)
    for module in ("catalog", "ordering"):
        assert f"{module}'s line 3" in Path(f"pages/{module}.md").read_text()
        assert not Path(f"docs/{module}.md").exists()


def test_two_files_that_came_to_one_place_one_after_the_other(
    origin: Template, team: Path, run: Run
) -> None:
    origin.write("docs/other.md", TEN.replace("line", "other"))
    origin.release("v1.1.0")
    updated(run)
    edit("docs/guide.md", "line 3", "our line 3")
    edit("docs/other.md", "other 3", "our other 3")
    commit()
    origin.move("docs/guide.md", "docs/page.md")
    origin.release("v1.2.0")
    (origin.root / "template/docs/page.md").unlink()
    origin.release("v1.3.0")
    origin.move("docs/other.md", "docs/page.md")
    origin.release("v1.4.0")
    said = updated(run)
    assert said["kept"] == ["docs/guide.md"]
    assert "our line 3" in Path("docs/guide.md").read_text()
    assert "our other 3" in Path("docs/page.md").read_text()


def test_a_file_where_the_template_wants_a_folder(origin: Template, team: Path, run: Run) -> None:
    git(team, "mv", "docs/guide.md", "handbook")
    commit()
    origin.write("docs/faq.md", TEN.replace("line", "faq"))
    origin.move("docs/guide.md", "handbook/guide.md")
    origin.move("docs/faq.md", "handbook/faq.md")
    origin.release("v1.1.0")
    before = tree(team)
    result = run("update", "--json")
    assert result.code == 1
    (conflict,) = json.loads(result.out)["conflicts"]
    assert (conflict["path"], conflict["kind"]) == ("handbook~yours", "both want the path")
    assert git(team, "show", conflict["yours"]) == TEN.strip()
    assert conflict["template"] is None
    assert Path("handbook~yours").read_text() == TEN
    git(team, "cherry-pick", "--abort")
    assert tree(team) == before


def test_what_the_team_moved_and_the_template_dropped_is_kept(
    origin: Template, team: Path, run: Run
) -> None:
    git(team, "mv", "docs/guide.md", "manual.md")
    commit()
    (origin.root / "template/docs/guide.md").unlink()
    origin.release("v1.1.0")
    assert updated(run)["kept"] == ["manual.md"]
    assert Path("manual.md").read_text() == TEN


def test_a_template_that_only_copier_can_render(origin: Template, team: Path, run: Run) -> None:
    """It has symbolic links: they follow, and a new question is told all the same."""
    with (origin.root / "copier.yml").open("a") as questions:
        questions.write("\n_preserve_symlinks: true\nregion:\n  type: str\n  default: eu\n")
    (origin.root / "template/docs/latest.md").symlink_to("guide.md")
    origin.release("v1.1.0")
    said = updated(run)
    assert said["defaults"]["region"] == "eu"
    assert Path("docs/latest.md").readlink() == Path("guide.md")


def test_a_repository_can_be_on_the_way_of_a_commit_meanwhile(
    newer: Template, team: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scaffold import update as module

    reconcile = module.reconcile

    def commit_first(*arguments):
        subprocess.run(["git", "commit", "--quiet", "--allow-empty", "-m", "Mine"], check=True)
        return reconcile(*arguments)

    monkeypatch.setattr(module, "reconcile", commit_first)
    result = run("update")
    assert result.code == 1
    assert "somebody has just committed" in result.err
    assert git(team, "log", "-1", "--format=%s") == "Mine"
    assert git(team, "status", "--porcelain") == ""


def test_ctrl_c_while_it_writes_comes_too_late(newer: Template, team: Path, tmp_path: Path) -> None:
    newer.write("docs/guide.md", TEN.replace("line 9\n", "their line 9\n"))
    newer.release("v1.2.0")
    hook = team / ".git/hooks/post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"#!/bin/sh\nwhile ! [ -s {tmp_path}/pid ]; do sleep 0.01; done\n"
        f"kill -INT $(cat {tmp_path}/pid) && echo sent >>{tmp_path}/sent\nsleep 0.5\n"
    )
    hook.chmod(0o755)
    started = subprocess.Popen(
        command("update"),
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    (tmp_path / "pid").write_text(f"{started.pid}\n")
    said, _ = started.communicate()
    assert (tmp_path / "sent").exists()
    assert started.returncode == 1
    assert b"docs/guide.md: content" in said
    assert git(team, "diff", "--name-only", "--diff-filter=U") == "docs/guide.md"
    assert (team / ".git/CHERRY_PICK_HEAD").exists()


def test_a_version_that_asks_for_a_newer_copier_is_read_all_the_same(
    origin: Template, team: Path, run: Run
) -> None:
    questions = (origin.root / "copier.yml").read_text()
    (origin.root / "copier.yml").write_text(questions.replace('"9.19.0"', '"99.0.0"'))
    origin.release("v1.1.0")
    updated(run)
    (origin.root / "copier.yml").write_text(questions)
    origin.write("docs/new.md", "new\n")
    origin.release("v1.2.0")
    updated(run)
    assert Path("docs/new.md").exists()


def test_a_repository_of_another_making_is_adopted_by_its_answers(
    newer: Template, team: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes down what it is like follows from there; what it never had stays away."""
    other = tmp_path / "other"
    (other / "src/app/modules").mkdir(parents=True)
    (other / "docs").mkdir()
    (other / ANSWERS).write_bytes((team / ANSWERS).read_bytes())
    (other / "docs/guide.md").write_text(TEN.replace("line 9", "our line 9"))
    git(other, "init", "--quiet")
    monkeypatch.chdir(other)
    Path("src/app/modules/.keep").touch()
    commit("Ours")
    updated(run)
    check_updated(other)
    assert not Path("README.md").exists()


def test_the_commit_is_by_whom_the_repository_says(newer: Template, team: Path, run: Run) -> None:
    for key, value in (("user.name", "Ada at work"), ("user.email", "ada@work.example")):
        git(team, "config", key, value)
    updated(run)
    assert git(team, "log", "-1", "--format=%an %ae %cn") == (
        "Ada at work ada@work.example Ada at work"
    )
