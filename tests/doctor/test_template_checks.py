"""What a repository has to do with its template."""

import re
import shutil
from pathlib import Path

import pytest
from ailing import TODAY
from helpers import git
from histories import Template, edit

from scaffold.doctor.examining import choose, examine

ANSWERS = ".copier-answers.yml"
BILLING = "src/app/modules/billing/.copier-answers.module.yml"


def test_releases_that_came_since_are_counted(origin: Template, team: Path, look) -> None:
    assert look("SC-001") == []
    for version in ("v1.1.0", "v1.2.0rc1", "v1.2.0"):
        origin.release(version)
    assert look("SC-001") == ["template v1.0.0 is 2 releases behind v1.2.0: v1.1.0, v1.2.0"]


def test_without_releases_commits_are_counted_that_change_what_is_rendered(
    origin: Template, team: Path, look
) -> None:
    git(origin.root, "tag", "--delete", "v1.0.0")
    first = git(origin.root, "rev-parse", "HEAD")
    for file in team.rglob(".copier-answers*.yml"):
        file.write_text(file.read_text().replace("v1.0.0", first))
    (origin.root / "README.md").write_text("Of the template.\n")
    git(origin.root, "add", "--all")
    git(origin.root, "commit", "--quiet", "--message", "Explain")
    assert look("SC-001") == []
    origin.write("docs/new.md", "new\n")
    git(origin.root, "add", "--all")
    git(origin.root, "commit", "--quiet", "--message", "Add")
    assert look("SC-001") == [
        f"template {first[:10]} is 1 commit behind {git(origin.root, 'rev-parse', 'HEAD')[:10]}"
    ]


def test_a_version_newer_than_the_newest_release_is_not_behind(
    origin: Template, team: Path, look
) -> None:
    origin.write("docs/new.md", "new\n")
    git(origin.root, "add", "--all")
    git(origin.root, "commit", "--quiet", "--message", "Add")
    edit(ANSWERS, "v1.0.0", git(origin.root, "rev-parse", "HEAD"))
    assert look("SC-001") == []


def test_a_version_beside_the_newest_is_told_as_that(origin: Template, team: Path, look) -> None:
    git(origin.root, "switch", "--quiet", "--create", "trial")
    git(origin.root, "commit", "--quiet", "--allow-empty", "--message", "Try")
    edit(ANSWERS, "v1.0.0", git(origin.root, "rev-parse", "HEAD"))
    git(origin.root, "switch", "--quiet", "main")
    origin.release("v1.1.0")
    assert ["does not contain" in what for what in look("SC-001")] == [True]


def test_a_folder_as_template_matters_once_others_have_the_repository(team: Path, look) -> None:
    assert look("SC-002") == []
    git(team, "remote", "add", "origin", "https://git.example.com/acme/shop.git")
    assert len(look("SC-002")) == 1
    edit(ANSWERS, "_src_path: /", "_src_path: file:///")
    assert len(look("SC-002")) == 1
    text = re.sub("_src_path: .*", "_src_path: git@git.example.com:acme/template.git", _read())
    Path(ANSWERS).write_text(text)
    assert look("SC-002") == []


def test_answers_that_nobody_can_read_are_told_with_the_file(team: Path, look) -> None:
    assert look("SC-003") == []
    Path(BILLING).write_text("_commit: [\n")
    Path(ANSWERS).write_text("project_name: shop\n")
    found = look("SC-003")
    assert found[0] == f"{ANSWERS} does not say _src_path as text"
    assert found[1].startswith(f"{BILLING} is no YAML")


def test_without_answers_the_other_checks_say_so_and_go_on(team: Path) -> None:
    Path(ANSWERS).write_text("<<<<<<< yours\n_commit: v1\n=======\n_commit: v2\n>>>>>>> theirs\n")
    done = examine(team, choose([], None), today=TODAY)
    ids = [check.id for check, _ in done.findings]
    assert ids == ["SC-003", "SC-011"]
    assert done.not_known["SC-001"] == f"{ANSWERS} cannot be read"


def test_a_version_that_the_template_does_not_have_is_an_error(team: Path, look) -> None:
    assert look("SC-004") == []
    edit(ANSWERS, "v1.0.0", "v0.9.0")
    assert ["has no version v0.9.0" in what for what in look("SC-004")] == [True]


def test_a_template_that_is_gone_is_told_once(origin: Template, team: Path) -> None:
    git(team, "remote", "add", "origin", "https://git.example.com/acme/shop.git")
    shutil.rmtree(origin.root)
    done = examine(team, choose([], None), today=TODAY)
    assert [check.id for check, _ in done.findings] == ["SC-004"]
    assert set(done.not_known.values()) == {"the template is not to be had"}


def test_a_relative_path_is_found_by_nobody_later(team: Path, look) -> None:
    edit(ANSWERS, str(team.parent), "..")
    assert ["is recorded as the relative path" in what for what in look("SC-004")] == [True]


def test_a_secret_in_the_address_is_an_error_and_not_shown(team: Path, look) -> None:
    assert look("SC-005") == []
    text = re.sub("_src_path: .*", "_src_path: https://bot:hunter2@git.example.com/t.git", _read())
    Path(ANSWERS).write_text(text)
    done = examine(team, choose([], None), today=TODAY)
    said = [finding.what for check, finding in done.findings if check.id == "SC-005"]
    assert len(said) == 1
    assert "hunter2" not in repr(done.findings) + repr(done.not_known)


def test_modules_at_another_version_are_named(origin: Template, team: Path, look) -> None:
    assert look("SC-006") == []
    origin.release("v1.1.0")
    edit(BILLING, "v1.0.0", "v1.1.0")
    assert look("SC-006") == [
        "modules at another template version than the app, v1.0.0: billing v1.1.0"
    ]


def test_modules_that_updates_leave_alone_are_named(team: Path, look) -> None:
    (team / "src/app/modules/reviews/__pycache__").mkdir(parents=True)  # Of a removed module.
    assert look("SC-007") == []
    Path(BILLING).unlink()
    text = Path("src/app/modules/catalog/.copier-answers.module.yml")
    text.write_text(
        re.sub("_src_path: .*", "_src_path: https://example.com/t.git", text.read_text())
    )
    assert look("SC-007") == [
        "updates leave modules alone that have no .copier-answers.module.yml: billing",
        "updates leave modules alone that record another template, https://example.com/t.git: "
        "catalog",
    ]


@pytest.mark.usefixtures("home")
def test_nobody_is_asked_unless_told_so(origin: Template, team: Path) -> None:
    edit(ANSWERS, "_src_path: /", "_src_path: file:///")
    checks = choose(["SC-001", "SC-008"], None)
    before = examine(team, checks, today=TODAY)
    assert before.not_known["SC-001"].endswith("is not on this machine; --fetch asks for it")
    after = examine(team, checks, fetch=True)
    assert (after.findings, after.not_known) == ([], {})
    assert after.seen.asked_on == after.seen.today
    origin.release("v1.1.0")
    assert examine(team, checks).findings == []
    assert len(examine(team, checks, fetch=True).findings) == 1


@pytest.mark.usefixtures("home")
def test_what_is_not_there_after_asking_is_an_error(team: Path) -> None:
    edit(ANSWERS, "_src_path: /", "_src_path: file:///")
    edit(ANSWERS, "v1.0.0", "v0.9.0")
    checks = choose(["SC-004"], None)
    assert examine(team, checks).findings == []
    assert len(examine(team, checks, fetch=True).findings) == 1


def _read() -> str:
    return Path(ANSWERS).read_text()
