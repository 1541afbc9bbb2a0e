"""`scaffold update` killed at any moment: all is as before, or all is as after."""

import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest
from helpers import git, tree
from histories import TEN, Template, commit, edit

from scaffold.update import update

WAYS = ("clean", "conflict", "branch")
MOMENTS = 51


@pytest.fixture
def shops(origin: Template, team: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Repositories that are one version behind: for each way that an update can end."""
    for number in range(40):
        origin.write(f"docs/new_{number}.md", f"{number}\n")
    origin.write("docs/guide.md", TEN.replace("line 5", "their line 5"))
    origin.release("v1.1.0")
    monkeypatch.setattr(tempfile, "tempdir", str(team.parent))
    found = {}
    for way in WAYS:
        found[way] = shutil.copytree(team, team.parent / way)
    monkeypatch.chdir(found["conflict"])
    edit("docs/guide.md", "line 5", "our line 5")
    commit()
    return found


def state(shop: Path) -> tuple[object, ...]:
    branches = git(shop, "branch", "--format=%(refname) %(tree)")
    return (
        tree(shop),
        branches,
        git(shop, "ls-files", "--stage"),
        git(shop, "status", "--porcelain"),
        (shop / ".git/CHERRY_PICK_HEAD").exists(),
    )


def run(shop: Path, way: str) -> int:
    """Update in a process of its own, which has paid for its imports already."""
    child = os.fork()
    if child == 0:
        try:
            update(shop, branch="newer" if way == "branch" else None)
        except BaseException as error:
            print(error, flush=True)
        finally:
            os._exit(0)
    return child


def settle(shop: Path) -> None:
    """Wait until what the killed process had started is at its end."""
    while (shop / ".git/index.lock").exists() or busy(shop):
        time.sleep(0.02)


def busy(shop: Path) -> bool:
    """Whether a process is in a folder."""
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if entry.readlink() == shop:
                return True
        except OSError:
            continue
    return False


@pytest.mark.slow
def test_killed_at_any_moment_it_is_as_before_or_as_after(
    shops: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # Shown where the test fails.
    chance = random.Random(seed)
    monkeypatch.chdir(tmp_path)
    before, after, whole = {}, {}, {}
    for way, shop in shops.items():
        before[way] = state(shop)
        spare = shutil.copytree(shop, tmp_path / f"{way}-after", symlinks=True)
        started = time.monotonic()
        os.waitpid(run(spare, way), 0)
        whole[way] = time.monotonic() - started
        after[way] = state(spare)
        assert after[way] != before[way], way
    ends = dict.fromkeys((False, True), 0)
    for number in range(MOMENTS):
        way = WAYS[number % 3]
        shop = shutil.copytree(shops[way], tmp_path / "killed", symlinks=True)
        child = run(shop, way)
        if number == 1:  # Too late, as the first is too early, however fast the machine is by now.
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        elif number:  # Half of them near the end, where the writing is.
            time.sleep(whole[way] * chance.uniform(0.6 if number % 2 else 0, 1.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        settle(shop)
        now = state(shop)
        assert now in (before[way], after[way]), (way, number)
        ends[now == after[way]] += 1
        if now == before[way] and number % 5 == 0:  # And nothing is in the way of the next run.
            os.waitpid(run(shop, way), 0)
            assert state(shop) == after[way], (way, number)
        shutil.rmtree(shop)
    assert min(ends.values()) > 0, ends
