"""Pull requests: each update gets one, once; what conflicts is a draft on which nothing is changed."""

import shutil
from pathlib import Path

import pytest
from fleets import Make, branches
from helpers import Run, git
from histories import Template

from scaffold.errors import ScaffoldError
from scaffold.fleet import forges

BRANCH = "scaffold/v1.1.0"
OPEN = ("fleet", "update", "src", "--open", "--forge", "gh")


def calls(notes: Path, what: str) -> list[str]:
    return [line for line in (notes / "calls").read_text().splitlines() if f" {what} " in line]


def test_an_update_is_pushed_and_opened_once(
    newer: Template, make: Make, run: Run, notes: Path
) -> None:
    make("shop", remote=True)
    result = run(*OPEN)
    assert result.code == 0, result
    assert "https://forge.example/shop/1" in result.out
    assert git(Path("forge/shop.git"), "show", f"{BRANCH}:docs/new.md") == "new"
    (created,) = calls(notes, "pr create")
    assert f"--head {BRANCH} --base main --title Update to template v1.1.0" in created
    assert "--draft" not in created
    assert "Updated from template v1.0.0 to v1.1.0" in (notes / "shop").read_text()
    assert run(*OPEN).code == 0
    assert len(calls(notes, "pr create")) == 1


def test_a_conflict_is_a_draft_that_changes_nothing(
    newer: Template, make: Make, run: Run, notes: Path
) -> None:
    make("shop", edit=True, remote=True)
    result = run(*OPEN)
    assert result.code == 0, result  # It is told.
    assert "1 conflict" in result.out
    (created,) = calls(notes, "pr create")
    assert "Update to template v1.1.0: 1 file in conflict" in created
    assert "--label template-conflict --draft" in created
    assert "label create template-conflict --force" in calls(notes, "label create")[0]
    forge = Path("forge/shop.git")
    assert git(forge, "rev-parse", f"{BRANCH}~1") == git(forge, "rev-parse", "main")
    assert git(forge, "diff", "main", BRANCH) == ""
    body = (notes / "shop").read_text()
    assert "docs/guide.md: content" in body
    assert f"git switch {BRANCH}\nmake update to=v1.1.0" in body

    # Who mends it does so on that branch, and then it is clean.
    shop = Path("src/shop")
    git(shop, "switch", "--quiet", BRANCH)
    assert run("update", "-C", str(shop)).code == 1
    (shop / "docs/guide.md").write_text("both\n")
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "--no-edit")
    assert run(*OPEN).code == 0
    assert len(calls(notes, "pr create")) == 1


def test_waves_go_on_where_the_one_before_stopped(
    newer: Template, make: Make, run: Run, notes: Path
) -> None:
    for number in range(5):
        make(f"shop-{number}", remote=True)
    for opened, waiting in ((2, 3), (4, 1), (5, 0)):
        result = run(*OPEN, "--wave", "2", *(["--only", "failed"] if opened > 2 else []))
        assert result.code == 0, result
        assert len(calls(notes, "pr create")) == opened
        assert result.out.count("waits for the next wave") == waiting
    for number in range(5):  # No branch without its pull request.
        here = BRANCH in branches(Path(f"src/shop-{number}"))
        assert here == (notes / f"shop-{number}").exists()
    assert "Nothing is left to do." in run(*OPEN, "--only", "failed").out


def test_a_push_that_is_refused_leaves_no_branch(
    newer: Template, make: Make, run: Run, notes: Path
) -> None:
    shop = make("shop", remote=True)
    make("other", remote=True)
    hook = Path("forge/shop.git/hooks/pre-receive")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'Only on Tuesdays' >&2\nexit 1\n")
    hook.chmod(0o755)
    result = run(*OPEN)
    assert result.code == 1
    assert f"shop: {BRANCH} could not be pushed to" in result.out
    assert "(pre-receive hook declined): Only on Tuesdays" in result.out
    assert branches(shop) == ["main"]
    assert (notes / "other").exists()
    hook.unlink()
    assert run(*OPEN, "--only", "failed").code == 0
    assert (notes / "shop").exists()


def test_a_branch_without_its_pull_request_gets_it(
    newer: Template, make: Make, run: Run, notes: Path
) -> None:
    make("shop", remote=True)
    make("conflict", remote=True, edit=True)
    (notes / "refuse").touch()
    result = run(*OPEN)
    assert result.code == 1
    assert "gh pr create failed: GraphQL: no rights" in result.out
    (notes / "refuse").unlink()
    shutil.rmtree("src/shop")  # And from another machine.
    git(Path("src"), "clone", "--quiet", "../forge/shop.git", "shop")
    run(*OPEN)
    assert (notes / "shop").exists()
    assert (notes / "conflict").exists()


def test_what_was_declined_is_not_proposed_again(
    newer: Template, make: Make, run: Run, notes: Path
) -> None:
    make("shop", remote=True)
    (notes / "shop").touch()
    (notes / "state-shop").write_text("CLOSED")
    result = run(*OPEN)
    assert result.code == 0, result
    assert "its pull request is closed" in result.out
    assert branches(Path("src/shop")) == branches(Path("forge/shop.git")) == ["main"]


@pytest.mark.usefixtures("newer")
def test_a_forge_that_cannot_be_asked_is_a_sentence(make: Make, run: Run, notes: Path) -> None:
    shop = make("shop", remote=True)
    make("alone")
    result = run(*OPEN[:-1], "glab")
    assert result.code == 1
    assert "shop: glab is not on PATH" in result.out
    assert f"alone: {shop.parent / 'alone'} has no remote to push to" in result.out
    (notes / "logged-out").touch()
    assert "gh is not logged in; run `gh auth login`" in run(*OPEN).out
    assert "pass --forge gh or --forge glab" in run(*OPEN[:-2]).out
    assert branches(shop) == ["main"]


def test_the_host_says_which_forge_it_is() -> None:
    for url, kind in {
        "git@github.com:acme/shop.git": "gh",
        "https://github.acme.org/acme/shop": "gh",
        "ssh://git@gitlab.acme.org:2222/acme/shop.git": "glab",
    }.items():
        assert forges.of(url, None).kind == kind
    with pytest.raises(ScaffoldError, match="does not say which forge"):
        forges.of("https://git.acme.org/acme/shop.git", None)


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forges, "_CHECKED", {})
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
