"""A change is prepared aside, shown, then applied whole or not at all."""

import subprocess

import pytest
from helpers import git, tree

from scaffold import plan
from scaffold.errors import ScaffoldError


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, b"new\n"),
        (None, b"no end"),
        (b"a\nb\n", b"a\nb\nc\n"),
        (b"a", b"a\nb"),
        (b"a\r\n", b"a\r\nb\r\n"),
        (b"", b"\x0c\xe2\x80\xa8x\n"),
    ],
)
def test_a_diff_is_one_that_git_can_apply(tmp_path, before, after):
    git(tmp_path, "init", "--quiet")
    if before is not None:
        (tmp_path / "file").write_bytes(before)
    diff = plan.Change("file", before, after).diff()
    subprocess.run(["git", "apply"], cwd=tmp_path, input=diff.encode(), check=True)
    assert (tmp_path / "file").read_bytes() == after


def test_a_new_empty_file_is_in_the_diff():
    assert plan.Change("a/b", None, b"").diff() == "--- /dev/null\n+++ b/a/b\n"


def test_a_file_that_is_no_text_is_named():
    assert plan.Change("logo", None, b"\x89PNG").diff() == "Binary file b/logo\n"


def test_git_does_not_see_a_working_folder(tmp_path):
    git(tmp_path, "init", "--quiet")
    with plan.working_folder(tmp_path / ".aside") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("x")
        assert git(tmp_path, "status", "--porcelain") == ""
    assert not folder.exists()


def test_a_working_folder_goes_away_after_an_error(tmp_path):
    with pytest.raises(ValueError, match="oops"), plan.working_folder(tmp_path / ".aside"):
        raise ValueError("oops")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_removed(tmp_path):
    aside = tmp_path / ".aside"
    aside.mkdir()
    (aside / ".gitignore").write_text(plan._MARK)
    (aside / "billing").mkdir()
    (aside / "billing" / "half").write_text("x")
    with plan.working_folder(aside) as folder:
        assert [path.name for path in folder.iterdir()] == [".gitignore"]


def test_a_folder_of_the_users_is_not_removed(tmp_path):
    aside = tmp_path / ".aside"
    aside.mkdir()
    (aside / "mine").write_text("x")
    with (
        pytest.raises(ScaffoldError, match="not of scaffold's making"),
        plan.working_folder(aside),
    ):
        pass
    assert (aside / "mine").read_text() == "x"


@pytest.fixture
def staged(tmp_path):
    folder = tmp_path / "aside" / "billing"
    folder.mkdir(parents=True)
    (folder / "file").write_text("new")
    return folder


def test_folder_and_file_change_together(tmp_path, staged):
    owners = tmp_path / "CODEOWNERS"
    owners.write_text("old")
    owners.chmod(0o640)
    plan.apply(staged, tmp_path / "billing", owners, b"new")
    assert (tmp_path / "billing" / "file").read_text() == "new"
    assert owners.read_text() == "new"
    assert owners.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("before", ["old", None])
def test_neither_changes_when_the_folder_is_taken(tmp_path, staged, before):
    (tmp_path / "billing").mkdir()
    (tmp_path / "billing" / "mine").write_text("x")
    owners = tmp_path / "CODEOWNERS"
    if before is not None:
        owners.write_text(before)
    with pytest.raises(ScaffoldError, match="appeared just now"):
        plan.apply(staged, tmp_path / "billing", owners, b"new")
    assert tree(tmp_path / "billing") == {"mine": b"x"}
    assert (owners.read_text() if owners.exists() else None) == before


def test_neither_changes_when_the_folder_cannot_be_made(tmp_path, staged):
    owners = tmp_path / "CODEOWNERS"
    owners.write_text("old")
    with pytest.raises(OSError, match="No such file"):
        plan.apply(staged, tmp_path / "gone" / "billing", owners, b"new")
    assert owners.read_text() == "old"
