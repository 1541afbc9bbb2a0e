"""`remove-module` killed, or out of disk, at every step: the module is there, or it is gone."""

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from helpers import git, in_child, tree
from test_interruption import STEPS, linux, on_a_disk_of_its_own

from scaffold.removing.remove import look, remove


def remove_and_be_killed(shop: Path, step: int) -> int:
    """Remove a module in a process group that is killed before its n-th step to the disk, or git."""
    found, seen = look(shop, "catalog"), 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event not in (*STEPS, "subprocess.Popen", "shutil.rmtree"):
            return
        if event == "open" and not int(arguments[2]) & (os.O_WRONLY | os.O_RDWR):
            return
        seen += 1
        if seen == step:
            os.killpg(0, signal.SIGKILL)

    def run() -> None:
        os.setpgid(0, 0)
        sys.addaudithook(watch)
        remove(found, "archive")

    return in_child(run)


def state(shop: Path) -> str:
    return repr((tree(shop), git(shop, "status", "--porcelain"), git(shop, "ls-files", "--stage")))


@pytest.mark.slow
def test_killed_at_any_moment_it_is_as_before_or_as_after(pristine, tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    whole = shutil.copytree(pristine, tmp_path / "whole")
    assert remove_and_be_killed(whole, 0) == 0
    before, after = state(pristine), state(whole)
    ends = {before: 0, after: 0}
    step, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        step += 1
        shop = shutil.copytree(pristine, tmp_path / "killed")
        code = remove_and_be_killed(shop, step)
        ends[state(shop)] += 1
        shutil.rmtree(shop)
    assert code == 0
    assert step > 20
    assert min(ends.values()) > 0


@linux
@pytest.mark.parametrize("free", [0, 32, 48])
def test_a_full_disk_leaves_it_there(pristine, tmp_path, free):
    (tmp_path / "disk").mkdir()
    said = on_a_disk_of_its_own(
        """
        mount -t tmpfs -o size=4m tmpfs disk
        cp -r "$SHOP" disk/shop
        git -C disk/shop config gc.auto 0
        head -c "${FREE}k" /dev/zero > disk/spare
        cat /dev/zero > disk/filler 2>/dev/null || true
        rm disk/spare
        cd disk/shop
        said=$($SCAFFOLD remove-module catalog --archive 2>&1 >/dev/null) && echo done || echo "$said"
        rm ../filler
        git status --porcelain
        test -e src/app/modules/catalog && $SCAFFOLD remove-module catalog --archive >/dev/null
        git status --porcelain
        git log -1 --format=%s
        """,
        tmp_path,
        SHOP=pristine,
        FREE=free,
    )
    first, *rest = said.splitlines()
    assert rest == ["Remove the module catalog"], said
    assert first == "done" or "scaffold: " in first
