"""`make release`: a small template with a history, in a real git repository."""

import subprocess
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from textwrap import dedent

import pytest
from helpers import git, tree

from release import faces
from release.__main__ import main
from scaffold import changes

PLATFORM = "template/src/app/platform"
EVENTS = """\
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    id: int


class Events:
    async def publish(self, event: Event, *, later: bool = False) -> None: ...
    def _inner(self) -> None: ...


def hidden() -> None: ...
"""
FILES = {
    "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n### Added\n\n- Events.\n\n## 0.9.0 - 2020-01-01\n\n- All.\n",
    "pyproject.toml": '[project]\nname = "x"\nversion = "0.1.0"\n\n[tool.x]\nversion-of = "0.1.0"\n',
    "template-changes.yaml": "# What moved.\n",
    "template/checks/faces.py": dedent("""\
        FACES: object = {
            "events": frozenset({"Event", "Events"}),
            "database": frozenset({"Tx"}),
        }
        TEST_FACES: object = {**FACES, "settings": frozenset({"Settings"})}
        """),
    f"{PLATFORM}/__init__.py": "",
    f"{PLATFORM}/events.py": EVENTS,
    f"{PLATFORM}/transaction.py": "class Tx:\n    def commit(self) -> None: ...\n",
    f"{PLATFORM}/database.py": "from app.platform.transaction import Tx\n",
    f"{PLATFORM}/settings.py": "class Settings: ...\n",
    "template/src/app/modules/{% yield m from ms %}{{ m }}{% endyield %}/x.py.jinja": "{{ m }}",
}


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in FILES.items():
        write(tmp_path / name, content)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    monkeypatch.chdir(tmp_path)
    commit("Start")
    git(tmp_path, "tag", "v1.0.0")
    git(tmp_path, "tag", "latest")
    return tmp_path


def write(file: Path, content: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def change(file: str, old: str, new: str) -> None:
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new))
    commit("Change")


def list_changes(*entries: str, version: str = "unreleased") -> None:
    lines = "".join(f"    - {{{entry}}}\n" for entry in entries)
    with Path("template-changes.yaml").open("a") as file:
        file.write(f"- version: {version}\n  changes:\n{lines}")
    commit("List it")


def commit(message: str) -> None:
    git(Path(), "add", "--all")
    git(Path(), "commit", "--quiet", "--message", message)


def release(version: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it in this process, which has paid for its imports already."""
    said, complained = StringIO(), StringIO()
    with redirect_stdout(said), redirect_stderr(complained):
        code = main([version, *options])
    return subprocess.CompletedProcess([], code, said.getvalue(), complained.getvalue())


def refusal(version: str = "1.1.0") -> str:
    """What a release is refused with; nothing is written, committed or tagged."""
    before = (tree(Path()), git(Path(), "rev-parse", "HEAD"), git(Path(), "tag"))
    done = release(version)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    assert (tree(Path()), git(Path(), "rev-parse", "HEAD"), git(Path(), "tag")) == before
    return done.stderr


def test_a_release_is_written_committed_and_tagged(template: Path) -> None:
    change(f"{PLATFORM}/events.py", "class Event:", "class Fact:\n    pass\n\n\nclass Event:")
    list_changes("changed: 'app.platform.events:Event', because: It is no dataclass.")
    done = release("1.1.0")
    assert done.returncode == 0, done
    assert done.stdout.startswith("Released 1.1.0, after v1.0.0:\n")
    assert git(template, "log", "-1", "--format=%s") == "Release 1.1.0"
    assert git(template, "rev-parse", "v1.1.0^{commit}") == git(template, "rev-parse", "HEAD")
    assert git(template, "status", "--porcelain") == ""
    changelog = Path("CHANGELOG.md").read_text()
    today = git(template, "log", "-1", "--format=%cd", "--date=format:%Y-%m-%d")
    assert f"## Unreleased\n\n## 1.1.0 - {today}\n\n### Added\n\n- Events.\n" in changelog
    assert changelog.endswith("## 0.9.0 - 2020-01-01\n\n- All.\n")
    project = Path("pyproject.toml").read_text()
    assert 'version = "1.1.0"\n' in project
    assert 'version-of = "0.1.0"\n' in project
    assert "- version: 1.1.0\n" in Path("template-changes.yaml").read_text()
    assert "says nothing under Unreleased" in refusal("1.2.0")


def test_a_dry_run_says_it_and_writes_nothing(template: Path) -> None:
    before = tree(template)
    done = release("1.1.0", "--dry-run")
    assert done.returncode == 0, done
    assert "Would release 1.1.0, after v1.0.0" in done.stdout
    assert tree(template) == before
    assert git(template, "tag").split() == ["latest", "v1.0.0"]


def test_the_first_release_has_nothing_to_be_compared_with(template: Path) -> None:
    git(template, "tag", "--delete", "v1.0.0")
    done = release("0.1.0")
    assert done.returncode == 0, done
    assert "after nothing" in done.stdout


@pytest.mark.parametrize("version", ["1.0.0", "0.9.9", "v1.1.0", "1.1", "", "1.1.0 "])
def test_a_version_that_exists_or_is_none_is_refused(template: Path, version: str) -> None:
    said = refusal(version)
    assert "is not greater" in said or "is no version" in said


def test_what_is_not_committed_is_refused(template: Path) -> None:
    Path("new.txt").write_text("new\n")
    assert "uncommitted changes (?? new.txt)" in refusal()


def test_a_commit_that_a_hook_refuses_leaves_nothing(template: Path) -> None:
    hook = template / ".git/hooks/pre-commit"
    write(hook, "#!/bin/sh\necho no >&2\nexit 1\n")
    hook.chmod(0o755)
    assert "git commit failed" in refusal()


def test_a_tag_that_cannot_be_made_leaves_nothing(template: Path) -> None:
    git(template, "config", "tag.gpgSign", "true")
    git(template, "config", "gpg.program", "false")
    assert "git tag failed" in refusal()


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("events.py", "class Event:", "class JobEvent:", "app.platform.events:Event is gone"),
        ("events.py", ", *, later: bool = False", "", "Events.publish later: Parameter was removed"),
        ("events.py", "event: Event,", "event: Event, to: str,", "Events.publish to: Parameter was"),
        ("events.py", "async def publish", "def publish", "Events.publish is awaited in one"),
        ("events.py", "publish", "send", "Events.publish Public object was removed"),
        ("events.py", "    id: int", "    id: int\n    at: int", "app.platform.events:Event"),
        ("transaction.py", "commit", "end", "app.platform.database:Tx.commit Public object was"),
        ("database.py", "transaction import Tx", "transaction import Tx as T", "database:Tx is gone"),
        ("../../../checks/faces.py", '"Tx"', "", "app.platform.database:Tx is no face any more"),
        ("settings.py", "Settings", "Setting", "app.platform.settings:Settings is gone"),
    ],
)  # fmt: skip
def test_what_breaks_a_face_and_has_no_entry_is_refused_by_name(
    template: Path, file: str, old: str, new: str, said: str
) -> None:
    change(f"{PLATFORM}/{file}", old, new)
    assert said in refusal()
    place = "app.platform." + said.partition(" ")[0].removeprefix("app.platform.")
    place = place.replace("Events.", "events:Events.") if ":" not in place else place
    list_changes(f"changed: '{place}', because: It had to be.")
    done = release("1.1.0", "--dry-run")
    assert done.returncode == 0, done


def test_what_breaks_nobody_needs_no_entry(template: Path) -> None:
    change(f"{PLATFORM}/events.py", "hidden", "other")
    change(f"{PLATFORM}/events.py", "_inner", "_more")
    change(f"{PLATFORM}/events.py", "later: bool = False", "later: bool = True, now: bool = False")
    assert release("1.1.0", "--dry-run").returncode == 0


def test_a_face_that_moved_is_compared_at_its_new_place(template: Path) -> None:
    git(template, "mv", f"{PLATFORM}/events.py", f"{PLATFORM}/signals.py")
    change("template/checks/faces.py", '"events"', '"signals"')
    assert "events:Event is gone" in refusal()
    list_changes("move: app.platform.events, to: app.platform.signals")
    assert release("1.1.0", "--dry-run").returncode == 0
    change(f"{PLATFORM}/signals.py", "publish", "send")
    said = refusal()
    assert "Events.publish Public object was removed" in said
    with Path("template-changes.yaml").open("a") as file:
        file.write("    - {changed: 'app.platform.signals:Events.publish', because: Use send.}\n")
    commit("List it")
    assert release("1.1.0", "--dry-run").returncode == 0


def test_an_entry_that_leads_nowhere_is_refused(template: Path) -> None:
    list_changes("move: 'app.platform.events:Event', to: 'app.platform.signals:Event'")
    assert "moves to app.platform.signals.Event, and that is not there" in refusal()


def test_what_this_template_says_has_moved_is_there(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    listed = changes.read((root / changes.FILE).read_bytes(), changes.FILE)
    here = faces.Version(root, "HEAD", tmp_path)
    assert faces.missing(here, changes.since(listed, [])) == []


def test_an_entry_under_a_version_that_is_out_is_refused(template: Path) -> None:
    list_changes("removed: 'app.platform.x:X', because: It is gone.", version="1.0.0")
    assert "put it under unreleased" in refusal()


def test_a_question_without_a_default_is_refused(template: Path) -> None:
    write(template / "copier.yml", "_subdirectory: template\nregion:\n  type: str\n")
    write(template / "CHANGELOG.md", "## Unreleased\n\n- More.\n")
    commit("Ask")
    done = release("1.1.0")
    assert done.returncode == 1
    assert "region has no default" in done.stderr


def test_a_fork_releases_what_is_its_own(template: Path) -> None:
    assert release("1.0.0+acme.1").returncode == 0
    assert git(template, "tag", "--points-at", "HEAD") == "v1.0.0+acme.1"


def test_without_any_tag_a_lower_number_than_recorded_is_refused(template: Path) -> None:
    git(template, "tag", "--delete", "v1.0.0")
    done = release("0.0.1")
    assert done.returncode == 1
    assert "less than what pyproject.toml says" in done.stderr
