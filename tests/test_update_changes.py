"""`scaffold update` where the template's faces have moved: what teams wrote follows in the same commit."""

import json
import subprocess
from pathlib import Path

import pytest
from helpers import Run, command, git, tree
from histories import TEN, Template, commit, edit

PLATFORM = "src/app/platform"
MOVED = """\
- version: unreleased
  changes:
    - move: app.platform.events:Event
      to: app.platform.jobs:Event
"""
RUFF = '[tool.ruff.lint]\nselect = ["E", "F", "I"]\nisort.order-by-type = false\n'
SERVICE = '''\
"""Billing."""

import app.platform.events
from app.platform import events
from app.platform.events import Event
from app.platform.events import Event as Fact
from app.platform.events import Events, Event as Another


class Paid(Event): ...


def paid(all: Events, one: Fact, other: "Another") -> "list[Event]":
    return [app.platform.events.Event(), events.Event(), one, other, all.first]
'''
FOLLOWED = '''\
"""Billing."""

import app.platform.jobs
from app.platform import jobs
from app.platform.events import Events
from app.platform.jobs import Event
from app.platform.jobs import Event as Another
from app.platform.jobs import Event as Fact


class Paid(Event): ...


def paid(all: Events, one: Fact, other: "Another") -> "list[Event]":
    return [app.platform.jobs.Event(), jobs.Event(), one, other, all.first]
'''


@pytest.fixture
def moving(origin: Template, team: Path) -> Template:
    """A template that has moved Event from events to jobs, and a team that uses it."""
    origin.write(f"{PLATFORM}/__init__.py", "")
    origin.write(f"{PLATFORM}/events.py", "class Event: ...\n\n\nclass Events: ...\n")
    origin.write(f"{PLATFORM}/jobs.py", "def job(): ...\n")
    origin.write("pyproject.toml", RUFF)
    origin.release("v1.1.0")
    origin.write(f"{PLATFORM}/events.py", "class Events: ...\n")
    origin.write(f"{PLATFORM}/jobs.py", "def job(): ...\n\n\nclass Event: ...\n")
    origin.write("docs/guide.md", TEN.replace("line 5", "their line 5"))
    (origin.root / "template-changes.yaml").write_text(MOVED)
    origin.release("v1.2.0")
    return origin


@pytest.fixture
def writing(moving: Template, run: Run) -> Path:
    """The team's module, at the version in which nothing had moved yet."""
    assert run("update", "--to", "v1.1.0").code == 0
    Path("src/app/modules/billing/paid.py").write_text(SERVICE)
    Path("tests").mkdir(exist_ok=True)
    Path("tests/test_paid.py").write_text("X = 'app.platform.events.Event'\n")
    commit("Use what there is")
    return Path("src/app/modules/billing/paid.py")


def test_a_module_follows_in_the_same_commit(writing: Path, run: Run) -> None:
    before = git(Path(), "rev-list", "--count", "HEAD")
    result = run("update")
    assert result.code == 0, result
    assert writing.read_text() == FOLLOWED
    assert int(git(Path(), "rev-list", "--count", "HEAD")) == int(before) + 1
    assert "+from app.platform.jobs import Event" in git(Path(), "show", "HEAD", "--", str(writing))
    assert f"{writing}: app.platform.events:Event -> app.platform.jobs:Event" in result.out
    moved = "app.platform.events:Event is now app.platform.jobs:Event"
    assert f"tests/test_paid.py:1: in quotes: {moved}" in result.out
    assert "Next: what is left to you, then make check" in result.out
    assert run("update").out == "Current: template v1.2.0.\n"


def test_a_dry_run_shows_it_and_writes_nothing(writing: Path, run: Run) -> None:
    before = tree(Path())
    result = run("update", "--dry-run")
    assert result.code == 0
    assert f"{writing}: app.platform.events:Event -> app.platform.jobs:Event" in result.out
    said = json.loads(run("update", "--dry-run", "--json").out)
    assert said["rewritten"] == {
        str(writing): ["app.platform.events:Event -> app.platform.jobs:Event"]
    }
    assert [(each["path"], each["line"]) for each in said["to_do"]] == [("tests/test_paid.py", 1)]
    assert str(writing) in said["changed"]
    assert tree(Path()) == before


def test_with_a_conflict_elsewhere_one_abort_takes_it_back(writing: Path, run: Run) -> None:
    edit("docs/guide.md", "line 5", "our line 5")
    commit()
    before = tree(Path())
    assert run("update").code == 1
    assert writing.read_text() == FOLLOWED
    git(Path(), "cherry-pick", "--abort")
    assert tree(Path()) == before
    assert git(Path(), "status", "--porcelain") == ""


def test_a_file_in_conflict_is_left_alone_and_listed(
    moving: Template, writing: Path, run: Run
) -> None:
    edit(f"{PLATFORM}/jobs.py", "def job(): ...\n", "from app.platform.events import Event\n")
    commit()
    result = run("update")
    assert result.code == 1
    jobs = Path(f"{PLATFORM}/jobs.py").read_text()
    assert "from app.platform.events import Event\n" in jobs
    line = jobs.splitlines().index("from app.platform.events import Event") + 1
    assert f"{PLATFORM}/jobs.py:{line}: app.platform.events:Event is now" in result.out


def test_each_module_follows_from_its_own_version(
    moving: Template, writing: Path, run: Run
) -> None:
    """Billing is ahead and has an Event of its own where the old one was."""
    edit("src/app/modules/billing/.copier-answers.module.yml", "v1.1.0", "v1.2.0")
    service = Path("src/app/modules/catalog/paid.py")
    service.write_text(SERVICE)
    commit()
    assert run("update").code == 0
    assert writing.read_text() == SERVICE
    assert service.read_text() == FOLLOWED


def test_releases_compose_and_unreleased_commits_count(
    moving: Template, writing: Path, run: Run
) -> None:
    released = MOVED.replace("unreleased", "1.2.0")
    more = "- version: unreleased\n  changes:\n    - {move: app.platform.jobs, to: app.work}\n"
    (moving.root / "template-changes.yaml").write_text(released + more)
    moving.write("src/app/work.py", "class Event: ...\n")
    git(moving.root, "add", "--all")
    git(moving.root, "commit", "--quiet", "--message", "Move jobs")
    assert run("update", "--to", "main").code == 0
    assert "from app.work import Event\n" in writing.read_text()
    assert "app.platform.jobs" not in writing.read_text()
    commit_of = git(moving.root, "rev-parse", "HEAD")
    (moving.root / "template-changes.yaml").write_text(
        released + more + "    - {move: 'app.work:Event', to: 'app.facts:Happened'}\n"
    )
    git(moving.root, "commit", "--all", "--quiet", "--message", "Rename Event")
    assert commit_of in Path(".copier-answers.yml").read_text()
    assert run("update", "--to", "main").code == 0
    assert "from app.facts import Happened\n" in writing.read_text()
    assert "class Paid(Happened): ..." in writing.read_text()


def test_an_import_order_that_nobody_asked_for_is_not_imposed(
    moving: Template, writing: Path, run: Run
) -> None:
    edit("pyproject.toml", ', "I"]', "]")
    commit()
    assert run("update").code == 0
    assert "from app.platform.jobs import Event\nfrom app.platform.jobs import Event as Fact\n" in writing.read_text()  # fmt: skip


def test_what_ruff_cannot_read_is_said_and_the_rewrite_stays(
    moving: Template, writing: Path, run: Run
) -> None:
    edit("pyproject.toml", '["E", "F", "I"]', '["E", "NONE1"]')
    commit()
    result = run("update")
    assert result.code == 0
    assert "its imports could not be sorted" in result.out
    assert "import app.platform.jobs\n" in writing.read_text()


def test_a_list_of_changes_that_cannot_be_read_stops_before_anything_is_written(
    moving: Template, writing: Path, run: Run
) -> None:
    (moving.root / "template-changes.yaml").write_text("- {version: 1, changes: [{move: x}]}\n")
    moving.release("v1.3.0")
    before = tree(Path())
    result = run("update")
    assert result.code == 1
    assert "template-changes.yaml of" in result.err
    assert result.err.count("\n") == 1
    assert tree(Path()) == before


def test_a_start_without_changes_pays_nothing_for_libcst(origin: Template, team: Path) -> None:
    origin.write("docs/new.md", "new\n")
    origin.release("v1.1.0")
    loads = ["-X", "importtime", "-m", "scaffold", "update", "--dry-run"]
    python = command()[:-2]
    done = subprocess.run([*python, *loads], cwd=team, capture_output=True, text=True, check=True)
    assert "scaffold.rewriting" in done.stderr
    assert "libcst" not in done.stderr
