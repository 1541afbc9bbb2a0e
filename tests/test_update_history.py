"""Repositories of this template's real past are updated to its present, edits and all."""

from functools import cache
from pathlib import Path

import pytest
from generated import ROOT
from helpers import git
from histories import Files, on_disk, write

from scaffold.reader import TemplateVersion
from scaffold.update import Updated, update

pytestmark = pytest.mark.updates

MODULES = "src/app/modules"
NAMED = ("catalog", "ordering", "billing")
MOST = 24
"""So many commits, evenly apart: the past grows, and what each costs is paid for every day."""
PROBES = "src/app/platform/probes.py"


def past() -> list[str]:
    """What main was, from the first commit to the newest."""
    if git(ROOT, "rev-parse", "--is-shallow-repository") == "true":
        return ["shallow"]
    commits = git(ROOT, "rev-list", "--reverse", "--first-parent", "HEAD").split()
    return commits[:: -(-len(commits) // MOST)]


KEPT = {"deploy": "both", "catalog": "backstage"}
"""What each of them has that was not asked for it."""


def rendered(commit: str, answers: dict[str, str] | None = None) -> Files:
    """The app, and three modules, of which it knows two."""
    return dict(_rendered(commit, tuple((answers or {}).items())))


@cache
def _rendered(commit: str, answers: tuple[tuple[str, str], ...]) -> Files:
    read = TemplateVersion(ROOT, commit)
    found: Files = {}
    for module in ("", *NAMED):
        where = f"{MODULES}/{module}/" if module else ""
        given = {"module": module} if module else dict(answers)
        for path, file in read.render(str(ROOT), commit, given=given).files.items():
            if module or not path.startswith(tuple(f"{MODULES}/{name}/" for name in NAMED)):
                found[where + path] = (file.mode, file.content)
    return found


class Team:
    """What a team made of a repository; what it has written is told by a word of its own."""

    def __init__(self, files: Files) -> None:
        self.files = dict(files)
        self.written: dict[str, bytes] = {}
        self.deleted: list[str] = []
        self.now = {path: path for path in files}
        """Where each rendered file is now."""

    def insert(self, path: str, at: float, line: str) -> None:
        mode, content = self.files[path]
        lines = content.splitlines(keepends=True)
        word = f"{line} edit_{len(self.written)}\n".encode()
        lines.insert(round(at * len(lines)), word)
        self.files[path] = (mode, b"".join(lines))
        self.written[path] = word

    def move(self, path: str, new: str) -> None:
        self.files[new] = self.files.pop(path)
        self.now[path] = new

    def add(self, path: str) -> None:
        self.files[path] = ("100644", b"")
        self.insert(path, 0, "# ours")

    def delete(self, path: str) -> None:
        del self.files[path]
        self.deleted.append(path)

    def in_platform(self, name: str) -> str:
        """Where a file of the platform stands, in a room or before there were any."""
        ours = (path for path in self.files if path.startswith("src/app/platform/"))
        (path,) = (path for path in ours if path.endswith(f"/{name}.py"))
        return path

    def edit(self) -> None:
        """Ten edits, where such teams make them."""
        self.insert("README.md", 1, "Ours:")
        self.insert("Makefile", 1, "# ours")
        self.insert("pyproject.toml", 0.5, "# ours")
        self.insert(self.in_platform("settings"), 0.5, "# ours")
        health = self.in_platform("health")
        self.insert(health, 1, "# ours")
        self.move(health, PROBES)
        self.insert(f"{MODULES}/catalog/README.md", 0, "Ours:")
        self.insert(f"{MODULES}/billing/service.py", 1, "# ours")
        self.add("src/app/platform/ours.py")
        self.delete("AGENTS.md" if "AGENTS.md" in self.files else ".editorconfig")
        self.files["Makefile"] = ("100755", self.files["Makefile"][1])


def check(team: Team, base: Files, theirs: Files, result: Files, done: Updated) -> None:
    """All that either side did is there, or told."""
    told = {each.path for each in done.conflicts} | {*done.kept, *done.stays_deleted}
    for path in done.written_once:
        assert result[path] == base[path]
    told |= {*done.written_once}
    for path, word in team.written.items():
        place = PROBES if path.endswith("health.py") else done.moved.get(path, path)
        assert place in result, path
        assert word.strip() in result[place][1], f"{path}: {word!r}"
    for path in team.deleted:
        assert path not in result
    assert result["Makefile"][0] == "100755"
    touched = {*team.written, *team.deleted, *team.now.keys() - team.files.keys()}
    mixed = {PROBES, *(done.moved.get(path, path) for path in team.written)}
    for path in theirs.keys() - touched - told:
        now = done.moved.get(path, path)
        assert now in mixed or result[now] == theirs[path], path
    for path in base.keys() - theirs.keys() - touched - told - {*done.moved.values()}:
        assert path not in result, path


@pytest.mark.parametrize("commit", past())
def test_nothing_is_lost_on_the_way_from_there(commit: str, tmp_path: Path) -> None:
    if commit == "shallow":
        pytest.fail(f"{ROOT} is a shallow clone: git fetch --unshallow, for its past is the test")
    base, head = rendered(commit), git(ROOT, "rev-parse", "HEAD")
    team = Team(base)
    team.edit()
    shop = tmp_path / "shop"
    write(shop, [("start", base), ("edited", team.files)])
    done = update(shop, to=head)
    unmerged = {line.split("\t")[1] for line in git(shop, "ls-files", "-u").splitlines()}
    assert unmerged == {each.path for each in done.conflicts}
    result = on_disk(shop)
    marked = {path for path, (_, content) in result.items() if b"\n<<<<<<< yours\n" in content}
    assert marked <= unmerged
    assert (git(shop, "status", "--porcelain") == "") == (not done.conflicts)
    was_asked = b"\ndeploy:" in base[".copier-answers.yml"][1]
    check(team, base, rendered(head, None if was_asked else KEPT), result, done)
    print(commit[:7], len(done.changed), "files,", len(done.conflicts), "in conflict:", *unmerged)
