"""`add-module` killed, interrupted, or out of disk, at every step: all of it is there, or none."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from helpers import Run, command, command_struck, git, in_child, tree

from scaffold import cli

BILLING = "src/app/modules/billing"
STEPS = ("open", "os.chmod", "os.mkdir", "os.remove", "os.rename", "os.rmdir")


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed Copier leaves in the temporary folder goes with the test's own."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))


@pytest.fixture
def finished(pristine: Path, tmp_path: Path, run: Run) -> dict[str, bytes]:
    """What the repository looks like when nothing goes wrong."""
    shutil.copytree(pristine, tmp_path / "finished")
    assert run("add-module", "billing", "-C", str(tmp_path / "finished")).code == 0
    return tree(tmp_path / "finished")


def add_with_signal_at(step: int, number: signal.Signals, folder: Path) -> int:
    """Add a module in a process that gets a signal before its n-th change to the disk."""
    seen = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event not in STEPS or not str(arguments[0]).startswith(str(folder)):
            return
        if event == "open" and not int(arguments[2]) & (os.O_WRONLY | os.O_RDWR):
            return
        seen += 1
        if seen == step:
            os.kill(os.getpid(), number)

    def add() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        sys.argv = ["scaffold", "add-module", "billing"]
        sys.addaudithook(watch)
        cli.main()

    return in_child(add)


@pytest.mark.slow
def test_a_kill_at_any_step_leaves_the_folder_whole_or_absent(shop, run, finished, tmp_path):
    untouched = tree(shop)
    spare = tmp_path / "spare"
    shutil.copytree(shop, spare)
    step, code, absent, whole = 0, -signal.SIGKILL, 0, 0
    while code == -signal.SIGKILL:
        shutil.rmtree(shop)
        shutil.copytree(spare, shop)
        os.chdir(shop)
        step += 1
        code = add_with_signal_at(step, signal.SIGKILL, shop)
        seen_by_git = git(shop, "status", "--porcelain").splitlines()
        assert {line.split()[-1] for line in seen_by_git} <= {"CODEOWNERS", f"{BILLING}/"}
        left = {k: v for k, v in tree(shop).items() if not k.startswith(".scaffold.tmp/")}
        if (shop / BILLING).exists():
            whole += 1
            assert left == finished
            assert run("add-module", "billing").code == 1
        else:
            absent += 1
            assert left.keys() == untouched.keys()
            assert run("add-module", "billing").code == 0
        assert tree(shop) == finished
        assert not (shop / ".scaffold.tmp").exists()
    assert code == 0
    assert absent > 10
    assert whole > 2


@pytest.mark.slow
def test_ctrl_c_at_any_step_leaves_all_or_nothing(shop, finished):
    untouched = tree(shop)
    step, code = 0, 130
    while code == 130:
        step += 1
        code = add_with_signal_at(step, signal.SIGINT, shop)
        if code == 130:
            assert tree(shop) == untouched
            assert not (shop / ".scaffold.tmp").exists()
    assert code == 0
    assert tree(shop) == finished
    assert step > 10


@pytest.mark.parametrize("last", ["catalog", "ordering"])
def test_ctrl_c_says_so_on_one_line(shop, last):
    """A real process, and a real Ctrl-C: all processes of the terminal get the signal."""
    untouched = tree(shop)
    started = subprocess.Popen(
        command_struck(
            signal.SIGINT, "open", "/.scaffold.tmp/", "add-module", "billing", "--depends-on", last
        ),
        cwd=shop,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job of `&` has none
    )
    assert started.communicate()[1] == "scaffold: interrupted; nothing was written\n"
    assert started.returncode == 130
    assert tree(shop) == untouched


def on_a_disk_of_its_own(script: str, folder: Path, **variables: object) -> str:
    """Run a shell script that may mount; needs root, or unprivileged user namespaces."""
    unshare = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    environment["SCAFFOLD"] = " ".join(command())
    done = subprocess.run(
        [*unshare, "sh", "-euc", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"cannot mount here, or: {done.stderr}"
    return done.stdout


linux = pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux does")


@linux
@pytest.mark.parametrize("free", [0, 4, 8, 16])
def test_a_full_disk_leaves_nothing(pristine, tmp_path, free):
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
        $SCAFFOLD add-module billing 2>&1 || echo EXIT $?
        rm ../filler
        git status --porcelain
        ls -A | grep scaffold || true
        $SCAFFOLD add-module billing > /dev/null
        git status --porcelain
        """,
        tmp_path,
        SHOP=pristine,
        FREE=free,
    )
    refusal, code, *status = said.splitlines()
    assert refusal.startswith("scaffold: No space left on device")
    assert code == "EXIT 1"
    assert status == [" M CODEOWNERS", f"?? {BILLING}/"]


@linux
@pytest.mark.parametrize("arguments", ["add-module billing", "new web --defaults --from $TEMPLATE"])
def test_a_read_only_disk_is_one_sentence(pristine, template, tmp_path, arguments):
    (tmp_path / "disk").mkdir()
    said = on_a_disk_of_its_own(
        f"""
        mount -t tmpfs tmpfs disk
        cp -r "$SHOP" disk/shop
        mount -o remount,ro disk
        cd disk/shop
        $SCAFFOLD {arguments} 2>&1 || echo EXIT $?
        $SCAFFOLD add-module billing --dry-run | grep '^+/'
        """,
        tmp_path,
        SHOP=pristine,
        TEMPLATE=template,
    )
    refusal, code, dry = said.splitlines()
    assert refusal.startswith("scaffold: Read-only file system")
    assert code == "EXIT 1"
    assert dry == f"+/{BILLING}/ @acme/team"


@linux
def test_a_full_temporary_folder_is_one_sentence(shop, tmp_path):
    (tmp_path / "disk").mkdir()
    said = on_a_disk_of_its_own(
        """
        mount -t tmpfs -o size=16k tmpfs disk
        export TMPDIR="$PWD/disk"
        cd shop
        $SCAFFOLD add-module billing --dry-run 2>&1 || echo EXIT $?
        git status --porcelain
        """,
        tmp_path,
    )
    refusal, code = said.splitlines()
    assert "No space left on device" in refusal
    assert code == "EXIT 1"
