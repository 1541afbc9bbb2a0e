"""Each repository follows in a worktree of its own, and none stops another."""

import fcntl
import json
import socket
from pathlib import Path

from fleets import Make, branches
from helpers import Run, git, tree
from histories import Template

from scaffold import mirror

BRANCH = "scaffold/v1.1.0"


def test_each_follows_from_its_default_branch_and_checkouts_are_left_alone(
    newer: Template, make: Make, run: Run
) -> None:
    clean, conflict = make("clean"), make("conflict", edit=True)
    git(clean, "switch", "--quiet", "--create", "feature")
    git(clean, "commit", "--quiet", "--allow-empty", "--message", "Half done")
    (clean / "docs/guide.md").write_text("dirty\n")
    before = tree(clean), git(clean, "status", "--porcelain", "--branch")
    result = run("fleet", "update", "src", "--json")
    assert result.code == 1, result
    said = {each["name"]: each for each in json.loads(result.out)["repositories"]}
    assert said["clean"]["state"] == "clean"
    assert (said["clean"]["version"], said["clean"]["to"]) == ("v1.0.0", "v1.1.0")
    assert said["clean"]["behind"] == "1 release"
    assert said["conflict"]["conflicts"] == ["docs/guide.md"]
    assert (tree(clean), git(clean, "status", "--porcelain", "--branch")) == before
    assert git(clean, "show", f"{BRANCH}:docs/new.md") == "new"
    assert git(clean, "rev-parse", f"{BRANCH}~1") == git(clean, "rev-parse", "main")
    assert branches(conflict) == ["main"]
    assert git(clean, "worktree", "list").count("\n") == 0
    again = run("fleet", "update", "src/clean")
    assert again.code == 0, again
    assert f"clean       v1.0.0   v1.1.0  1 release  clean  {BRANCH}" in again.out


def test_what_cannot_be_updated_is_a_sentence_and_the_others_go_on(
    newer: Template, make: Make, run: Run, tmp_path: Path
) -> None:
    make("fine")
    make("without")
    git(tmp_path / "src/without", "rm", "--quiet", ".copier-answers.yml")
    git(tmp_path / "src/without", "commit", "--quiet", "--message", "Forget")
    unknown = make("unknown")
    git(unknown, "branch", "--move", "trunk")
    git(unknown, "branch", "other")
    taken = make("taken")
    git(taken, "branch", BRANCH)
    shallow = tmp_path / "src/shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{make('deep')}", str(shallow))
    Path("plain").mkdir()
    Path("fleet.txt").write_text(
        "src/fine\nsrc/without\nsrc/unknown\nsrc/taken\nsrc/shallow\nplain\nsrc/shop\n"
        "./src/../src/fine  # again\n"
    )
    result = run("fleet", "update", "fleet.txt")
    assert result.code == 1
    assert "Traceback" not in result.out + result.err
    assert "7 repositories: 2 clean, 5 refused." in result.out
    assert f"{BRANCH}, named twice" in result.out
    for sentence in (
        "without: there is no .copier-answers.yml on main, so it follows no template",
        f"unknown: {unknown} has no remote, and no branch main or master",
        f"taken: the branch {BRANCH} is there and does not hold this update",
        f"plain: fleet.txt:6: {tmp_path / 'plain'} cannot be updated: it is no git repository",
        "shop: fleet.txt:7: src/shop is no folder and no address of git",
    ):
        assert f"  {sentence}" in result.out
    assert git(shallow, "show", f"{BRANCH}:docs/new.md") == "new"


def test_a_repository_by_its_address_is_cloned_once(
    newer: Template, make: Make, run: Run, home: Path
) -> None:
    address = f"file://{make('far')}"
    assert run("fleet", "update", address, "--push").code == 0
    assert git(Path("src/far"), "show", f"{BRANCH}:docs/new.md") == "new"
    again = run("fleet", "update", address, "--push")
    assert again.code == 0, again
    assert len(list((home / ".cache/scaffold-monolith/fleet/clones").glob("*/far"))) == 1


def test_a_remote_that_says_nothing_is_not_waited_for(run: Run, monkeypatch) -> None:
    monkeypatch.setattr(mirror, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"git://127.0.0.1:{silent.getsockname()[1]}/shop.git"
        result = run("fleet", "status", address)
    assert result.code == 1
    assert f"{address} cannot be cloned: fatal: timed out after 0.5 seconds" in result.out


def test_two_runs_at_once_are_refused(newer: Template, make: Make, run: Run, home: Path) -> None:
    make("shop")
    assert run("fleet", "status", "src").code == 0
    (lock,) = home.glob(".cache/scaffold-monolith/fleet/repositories/*/lock")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = run("fleet", "update", "src")
    assert result.code == 1
    assert "shop: another run of `scaffold fleet` is at work in shop; wait for it" in result.out
    (lock,) = home.glob(".cache/scaffold-monolith/fleet/runs/*.lock")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = run("fleet", "update", "src")
    assert (result.code, result.out) == (1, "")
    assert "another run over src is at work" in result.err


def test_a_disk_that_is_full_is_a_sentence(
    newer: Template, make: Make, run: Run, home: Path
) -> None:
    make("shop")
    (home / ".cache/scaffold-monolith/fleet").mkdir(parents=True)
    (home / ".cache/scaffold-monolith/fleet/repositories").symlink_to("/dev/full")
    result = run("fleet", "status", "src")
    assert result.code == 1
    assert "1 refused" in result.out
    assert "Traceback" not in result.err + result.out


def test_status_says_what_several_have_edited(newer: Template, make: Make, run: Run) -> None:
    for number in range(3):
        make(f"edited-{number}", edit=True)
    make("not")
    result = run("fleet", "status", "src")
    assert result.code == 0, result
    assert "4 repositories: 1 clean, 3 conflict." in result.out
    assert "  docs/guide.md: 3, 3 of them alike\n" in result.out
    assert branches(Path("src/not")) == ["main"]
    said = json.loads(run("fleet", "status", "src", "--json").out)
    assert said["schema"] == 1
    (shared,) = said["shared_edits"]
    assert shared["repositories"] == ["edited-0", "edited-1", "edited-2"]


def test_a_check_that_fails_is_told_with_its_log(newer: Template, make: Make, run: Run) -> None:
    for name, recipe in {"good": "true", "bad": "echo red; false", "slow": "sleep 60"}.items():
        shop = make(name)
        (shop / "Makefile").write_text(f"check:\n\t@test -f docs/new.md\n\t@{recipe}\n")
        git(shop, "add", "Makefile")
        git(shop, "commit", "--quiet", "--message", "Check")
    Path("fleet.txt").write_text("src/good\nsrc/bad\n")
    said = {}
    for of, *minutes in (("fleet.txt",), ("src/slow", "--check-minutes", "0.02")):
        result = run("fleet", "update", of, "--check", *minutes, "--json")
        assert result.code == 1
        said |= {each["name"]: each for each in json.loads(result.out)["repositories"]}
    assert {name: each["state"] for name, each in said.items()} == {
        "good": "clean",
        "bad": "check failed",
        "slow": "check failed",
    }
    assert "red" in Path(said["bad"]["log"]).read_text()
    assert "ended after 0.02 minutes" in Path(said["slow"]["log"]).read_text()
    for name in said:
        assert BRANCH in branches(Path("src", name))
