"""Sixty repositories in different states, one run that is killed in the middle, and the run after it."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from fleets import Make, branches
from helpers import command, git, process
from histories import Template

BRANCH = "scaffold/v1.1.0"
UPDATE = ("fleet", "update", "fleet.txt", "--open", "--forge", "gh")


def test_a_run_that_was_killed_goes_on_where_it_stopped(
    newer: Template, make: Make, notes: Path, home: Path
) -> None:
    names = {
        "clean": [make(f"clean-{n:02}", remote=True).name for n in range(12)],
        "conflict": [make(f"conflict-{n}", remote=True, edit=True).name for n in range(4)],
        "alone": [make(f"alone-{n}").name for n in range(4)],
        "gone": [f"gone-{n:02}" for n in range(40)],
    }
    lines = sorted(name for group in names.values() for name in group)
    Path("fleet.txt").write_text("".join(f"src/{name}\n" for name in lines))
    before = {name: git(Path("src", name), "status", "--branch") for name in names["clean"]}

    started = subprocess.Popen(
        command(*UPDATE),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while len(list(notes.glob("c[lo]*-*"))) < 5:
        assert started.poll() is None
        time.sleep(0.01)
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    with suppress(ProcessLookupError):  # Until what it had started is at its end.
        while True:
            os.killpg(started.pid, 0)
            time.sleep(0.02)

    done = process(*UPDATE, "--only", "failed", cwd=Path.cwd())
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "44 refused" in done.stdout  # Those alone have no remote, the others are no folder.
    for name in names["clean"] + names["conflict"]:
        shop, forge = Path("src", name), Path("forge", f"{name}.git")
        assert (notes / name).is_file(), name
        assert branches(forge) == branches(shop) == ["main", BRANCH]
        assert git(shop, "worktree", "list").count("\n") == 0
    created = [each for each in (notes / "calls").read_text().splitlines() if "pr create" in each]
    assert len({each.split()[0] for each in created}) == 16
    assert not list(home.glob(".cache/scaffold-monolith/fleet/repositories/*/tree-*"))
    assert {name: git(Path("src", name), "status", "--branch") for name in before} == before


def test_ctrl_c_ends_what_is_under_way_and_says_how_to_go_on(
    newer: Template, make: Make, home: Path
) -> None:
    for name in ("one", "two"):
        shop = make(name)
        (shop / "Makefile").write_text("check:\n\t@touch ../../began; sleep 60\n")
        git(shop, "add", "Makefile")
        git(shop, "commit", "--quiet", "--message", "Check")
    started = subprocess.Popen(
        command("fleet", "update", "src", "--check", "--jobs", "1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not list(home.glob(".cache/scaffold-monolith/fleet/repositories/*/began")):
        assert started.poll() is None
        time.sleep(0.01)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate()
    assert started.returncode == 130
    assert "2 repositories: 2 not reached." in out
    assert "interrupted; the same command goes on where it stopped" in err
    assert not list(home.glob(".cache/scaffold-monolith/fleet/repositories/*/tree-*"))
    assert git(Path("src/one"), "worktree", "list").count("\n") == 0
