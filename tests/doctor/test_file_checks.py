"""What a team has made of the files that the template keeps."""

from datetime import date
from pathlib import Path

from ailing import SHA
from helpers import git
from histories import Template, commit, edit

from scaffold.doctor.examining import choose, examine

WORKER, HEALTH = "src/app/platform/jobs/worker.py", "src/app/platform/health.py"
CI = ".github/workflows/ci.yml"


def test_edited_rooms_are_told_with_the_day_of_the_first_edit(
    shop: Path, look, monkeypatch
) -> None:
    assert look("SC-008") == []
    for day, line in (("2026-03-01", "first"), ("2026-07-01", "second")):
        with Path(WORKER).open("a") as file:
            file.write(f"{line} = 1\n")
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"{day}T12:00:00")
        commit()
    assert look("SC-008") == ["the room jobs of the platform is edited since 2026-03-01"]
    with Path(HEALTH).open("a") as file:
        file.write("not_committed = 1\n")
    assert look("SC-008")[0] == "the room health of the platform is edited"


def test_an_edit_that_was_taken_back_is_none(shop: Path, look) -> None:
    edit(WORKER, "job_1", "job_one")
    commit()
    edit(WORKER, "job_one", "job_1")
    commit()
    assert look("SC-008") == []


def test_what_a_team_owns_may_be_edited(shop: Path, all_found) -> None:
    for path in ("README.md", "Dockerfile", "docs/guide.md", "src/app/modules/catalog/service.py"):
        with Path(path).open("a") as file:
            file.write("# ours\n")
    Path("src/app/platform/jobs/ours.py").write_text("ours = 1\n")
    assert all_found().findings == []


def test_line_ends_of_windows_are_no_edit(shop: Path, look) -> None:
    for path in (WORKER, CI, "checks/flags.py"):
        Path(path).write_bytes(Path(path).read_bytes().replace(b"\n", b"\r\n"))
    assert look("SC-008") + look("SC-009") == []


def test_what_the_template_has_changed_too_is_said(origin: Template, team: Path, look) -> None:
    edit(HEALTH, "value_3", "value_three")
    text = (origin.root / "template" / HEALTH).read_text()
    origin.write(HEALTH, text.replace("value_9", "value_nine"))
    origin.release("v1.1.0")
    (found,) = examine(team, choose(["SC-008"], None)).findings
    assert found[1].what.endswith(f"is edited; the template has changed {HEALTH} too")
    assert found[1].details["files"] == [{"path": HEALTH, "since": None, "template_changed": True}]


def test_edits_that_an_update_has_merged_keep_their_day(
    origin: Template, team: Path, look, run, monkeypatch
) -> None:
    edit(HEALTH, "value_3", "value_three")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-03-01T12:00:00")
    commit()
    text = (origin.root / "template" / HEALTH).read_text()
    origin.write(HEALTH, text.replace("value_9", "value_nine"))
    origin.release("v1.1.0")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-05-01T12:00:00")
    assert run("update").code == 0
    assert look("SC-008") == ["the room health of the platform is edited since 2026-03-01"]


def test_checks_and_pipelines_are_told_apart_from_rooms(shop: Path, look) -> None:
    assert look("SC-009") == []
    edit("checks/flags.py", "check_1 ", "check_one ")
    edit(CI, "make check", "make lint")
    assert look("SC-009") == ["the checks are edited", "the pipeline is edited"]
    assert look("SC-008") == []


def test_actions_that_renovate_moves_on_are_no_edit(shop: Path, look) -> None:
    edit(CI, f"{SHA}  # v6.0.2", f"{'0' * 40} # v6.1.0")
    assert look("SC-009") == []


def test_files_that_are_gone_or_elsewhere_are_told(shop: Path, look) -> None:
    assert look("SC-010") == []
    Path("docs/guide.md").unlink()
    git(shop, "mv", WORKER, "src/app/platform/jobs/runner.py")
    edit("src/app/platform/jobs/runner.py", "job_1 ", "job_one ")
    assert look("SC-010") == [
        f"moved: {WORKER} -> src/app/platform/jobs/runner.py",
        "missing: docs/guide.md",
    ]


def test_without_git_what_git_knows_is_left_out(shop: Path) -> None:
    (shop / ".git").rename(shop.parent / "away")
    edit(WORKER, "job_1", "job_one")
    Path("docs/guide.md").unlink()
    done = examine(shop, choose([], None), today=date(2026, 12, 1))
    assert [finding.what for _, finding in done.findings] == [
        "the room jobs of the platform is edited",
        "missing: docs/guide.md",
    ]
    assert done.not_known == {"SC-011": "the folder is not in git"}
