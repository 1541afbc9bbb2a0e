"""What `scaffold update` refuses: in one sentence, with a way out, and with nothing written."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Run, command_struck, git, tree
from histories import TEN, Template, commit, edit

Refused = Callable[..., str]

ANSWERS = ".copier-answers.yml"


@pytest.fixture
def behind(origin: Template, team: Path) -> Path:
    """A repository that is one version behind, with a conflict to come."""
    origin.write("docs/guide.md", TEN.replace("line 5", "their line 5"))
    origin.write("docs/new.md", "new\n")
    origin.release("v1.1.0")
    edit("docs/guide.md", "line 5", "our line 5")
    commit()
    return team


def start(what: str) -> None:
    """Leave an operation of git in progress."""
    git(Path(), "checkout", "--quiet", "-b", "other", "HEAD~1")
    Path("docs/guide.md").write_text("other\n")
    commit("Other")
    if what == "bisect":
        git(Path(), "bisect", "start")
        return
    back = "main" if what == "rebase" else "other"
    git(Path(), "checkout", "--quiet", {"main": "other", "other": "main"}[back])
    subprocess.run(["git", *what.split(), back], check=False, capture_output=True)


@pytest.mark.parametrize("what", ["merge", "rebase", "cherry-pick", "bisect"])
def test_an_operation_in_progress(behind: Path, refused: Refused, what: str) -> None:
    start(what)
    assert f"a {what}" in (said := refused("update"))
    assert "end it first" in said


def test_a_repository_without_a_commit(team: Path, refused: Refused) -> None:
    shutil.rmtree(".git")
    assert "not a git repository" in refused("update")
    git(team, "init", "--quiet")
    assert "has no commit yet" in refused("update")


def test_answers_that_are_not_in_git(behind: Path, refused: Refused) -> None:
    git(behind, "rm", "--quiet", "--cached", ANSWERS)
    git(behind, "commit", "--quiet", "--message", "Forget")
    assert f"{ANSWERS} is not in git; commit it" in refused("update")


def test_a_version_older_than_the_recorded_one(behind: Path, run: Run, refused: Refused) -> None:
    edit(ANSWERS, "v1.0.0", "v1.1.0")
    commit()
    said = refused("update", "--to", "v1.0.0")
    assert "v1.0.0 is older than v1.1.0" in said
    assert "git revert" in said


def test_a_module_ahead_of_the_version_to_come(
    origin: Template, behind: Path, refused: Refused
) -> None:
    origin.write("docs/more.md", "more\n")
    origin.release("v1.2.0")
    edit("src/app/modules/billing/.copier-answers.module.yml", "v1.0.0", "v1.2.0")
    commit()
    said = refused("update", "--to", "v1.1.0")
    assert "billing/.copier-answers.module.yml records v1.2.0, which is newer than v1.1.0" in said
    assert "--to v1.2.0" in said


def test_a_template_that_is_gone(origin: Template, behind: Path, refused: Refused) -> None:
    origin.root.rename(origin.root.with_name("elsewhere"))
    assert "is not there. Name a copy with --from" in refused("update")


def test_a_template_whose_recorded_commit_is_gone(
    origin: Template, behind: Path, refused: Refused
) -> None:
    edit(ANSWERS, "v1.0.0", "0123456789" * 4)
    commit()
    said = refused("update")
    assert "has no version 0123456789" in said
    assert "--from" in said


def test_a_private_template_is_not_asked_for_a_password(
    behind: Path, refused: Refused, home: Path, origin: Template
) -> None:
    url = "ssh://nobody@127.0.0.1:1/template.git"
    for file in (*Path().rglob(".copier-answers*.yml"),):
        file.write_text(file.read_text().replace(str(origin.root), url))
    commit()
    said = refused("update")
    assert "cannot be reached" in said
    assert "--from" in said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("_commit: v1.0.0\n", "", "does not say _commit as text"),
        ("project_name: shop", "project_name: Shop!", "the answer 'Shop!' to project_name"),
        ("project_name: shop", "project_name: [shop", "is no YAML"),
        ("owner: ", "owner: &a *a #", "is no YAML"),
    ],
)
def test_answers_that_were_edited_by_hand(
    behind: Path, refused: Refused, old: str, new: str, said: str
) -> None:
    edit(ANSWERS, old, new)
    commit()
    sentence = refused("update")
    assert said in sentence
    assert ANSWERS in sentence


def test_a_template_that_wants_to_run_commands(
    origin: Template, behind: Path, refused: Refused, tmp_path: Path
) -> None:
    with (origin.root / "copier.yml").open("a") as questions:
        questions.write(f"\n_tasks: ['touch {tmp_path}/ran']\n")
    origin.release("v1.2.0")
    assert "tasks" in refused("update")
    assert not (tmp_path / "ran").exists()


def test_an_index_that_is_locked(behind: Path, refused: Refused) -> None:
    Path(".git/index.lock").touch()
    said = refused("update")
    assert "index.lock" in said
    assert "remove the file" in said


def test_a_git_that_is_too_old(behind: Path, refused: Refused, tmp_path: Path, monkeypatch) -> None:
    real = shutil.which("git")
    (tmp_path / "bin").mkdir()
    stand_in = tmp_path / "bin/git"
    stand_in.write_text(
        f"""#!/bin/sh
case "$*" in
  version) echo git version 2.37.0;;
  *merge-tree*) echo 'usage: git merge-tree <base-tree> <branch1> <branch2>' >&2; exit 129;;
  *) exec {real} "$@";;
esac
"""
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert "git version 2.37.0 is too old to merge aside; install git 2.38" in refused("update")


@pytest.mark.parametrize(
    ("ignored", "content"), [("docs/new.md", "ours\n"), ("cache/x", "ours\n"), ("out", "link")]
)
def test_what_git_does_not_have_is_in_the_way(
    origin: Template, behind: Path, refused: Refused, ignored: str, content: str
) -> None:
    edit("docs/guide.md", "our line 5", "line 5")
    Path(".gitignore").write_text("/docs/new.md\n/cache/\n/out\n")
    commit()
    origin.write("cache" if ignored == "cache/x" else "more.md", "a file\n")
    origin.write("out/x.md", "x\n")
    origin.release("v1.2.0")
    Path(ignored).parent.mkdir(exist_ok=True)
    if content == "link":
        Path(ignored).symlink_to("docs", target_is_directory=True)
    else:
        Path(ignored).write_text(content)
    assert "move" in refused("update")
    assert Path(ignored).is_symlink() or Path(ignored).read_text() == content
    assert git(behind, "status", "--porcelain") == ""


def test_a_folder_that_no_template_made(run: Run, tmp_path: Path, monkeypatch) -> None:
    git(tmp_path, "init", "--quiet")
    monkeypatch.chdir(tmp_path)
    result = run("update")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "is not inside a generated repository" in result.err


def test_ctrl_c_before_anything_is_written(behind: Path) -> None:
    before = tree(behind)
    started = subprocess.Popen(
        command_struck(signal.SIGINT, "fcntl.flock", "", "update"),
        cwd=behind,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    _, said = started.communicate()
    assert (started.returncode, said) == (130, "scaffold: interrupted; nothing was written\n")
    assert tree(behind) == before
    assert git(behind, "status", "--porcelain") == ""


def test_a_release_that_lacks_what_the_repository_has(
    origin: Template, team: Path, run: Run, refused: Refused
) -> None:
    """As in a fork, where the releases of the one it was forked from are tags as well."""
    start = git(origin.root, "rev-parse", "HEAD")
    origin.write("docs/ours.md", "ours\n")
    origin.release("v1.0.0+acme.1")
    assert run("update").code == 0
    git(origin.root, "reset", "--quiet", "--hard", start)
    origin.write("docs/new.md", "new\n")
    origin.release("v1.1.0")
    assert "v1.1.0 of the template does not contain v1.0.0+acme.1" in refused("update")
    result = run("update", "--to", "v1.1.0", "--dry-run")
    assert result.code == 0
    assert "what only that one has would be undone" in result.out


def test_what_cannot_be_found_out_is_json_for_scripts_too(team: Path, run: Run) -> None:
    result = run("update", "--check", "--json", "--from", "/nowhere")
    assert result.code == 1
    assert "is not there" in json.loads(result.out)["error"]


def test_no_module_is_added_in_the_middle_of_a_conflict(
    origin: Template, team: Path, run: Run, refused: Refused
) -> None:
    edit("docs/guide.md", "line 5", "our line 5")
    commit()
    origin.write("docs/guide.md", TEN.replace("line 5", "their line 5"))
    origin.release("v1.1.0")
    assert run("update").code == 1
    assert "is in conflict in" in refused("add-module", "tax")
