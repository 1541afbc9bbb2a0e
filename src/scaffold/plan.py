"""A change to a repository: prepared aside, shown as a diff, then applied whole or not at all."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from scaffold import interrupts
from scaffold.errors import ScaffoldError

_MARK = "# A working folder of `scaffold`. If a killed run left it, it is safe to delete.\n*\n"

_JOURNAL = ".writing"


@dataclass(frozen=True)
class Change:
    """One file: its path relative to the root, and its content before (none: new) and after."""

    path: str
    before: bytes | None
    after: bytes

    def diff(self, was: str | None = None) -> str:
        """The change as a unified diff; `was` is the path before, where it was another."""
        try:
            old, new = (self.before or b"").decode(), self.after.decode()
        except UnicodeDecodeError:
            return f"Binary file b/{self.path}\n"
        name = f"a/{was or self.path}" if self.before is not None else "/dev/null"
        lines = unified_diff(_lines(old), _lines(new), name, f"b/{self.path}")
        whole = (x if x.endswith("\n") else f"{x}\n\\ No newline at end of file\n" for x in lines)
        return "".join(whole) or f"--- {name}\n+++ b/{self.path}\n"


@contextmanager
def lock(file: Path) -> Iterator[None]:
    """Wait until no other `scaffold` changes this repository; a killed one holds nothing."""
    with file.open("rb") as held:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(held, fcntl.LOCK_EX)
        yield


@contextmanager
def working_folder(folder: Path) -> Iterator[Path]:
    """A folder that git does not show, gone afterwards. The caller holds the lock.

    It stands on the same file system as its target, so that a rename is one step, and outside
    `src`, so that nothing imports from it. What a killed run left there is removed first.
    """
    _clear(folder)
    try:
        folder.mkdir()
        (folder / ".gitignore").write_text(_MARK, "utf-8")
        yield folder
    finally:
        _clear(folder, ours=True)


def apply(staged: Path, folder: Path, file: Path, content: bytes) -> None:
    """Rename a staged folder to its place and replace the content of a file: both, or neither.

    All is written beside `staged` before the two renames, and no Ctrl-C comes between them. A
    `kill -9` there leaves the file changed and the folder absent; the same command again goes on.
    """
    after, before = staged.with_name(".after"), staged.with_name(".before")
    after.write_bytes(content)
    existed = file.exists()
    if existed:
        shutil.copy2(file, before)
        shutil.copymode(file, after)
    interrupts.ignore()
    after.replace(file)
    try:
        if os.path.lexists(folder):
            raise ScaffoldError(f"{folder} appeared just now; see what it is, and try again")
        staged.rename(folder)
    except BaseException:
        if existed:
            before.replace(file)
        else:
            file.unlink()
        raise


def apply_changes(root: Path, working: Path, changes: list[Change]) -> None:
    """Write files: all of them, or none, and no Ctrl-C comes between them.

    What they were is kept in `working` meanwhile. Where a `kill -9` comes between them, whichever
    command opens that folder next puts them back.
    """
    for number, change in enumerate(changes):
        (working / f"after-{number}").write_bytes(change.after)
        file = root / change.path
        if change.before is not None:
            shutil.copy2(file, working / f"before-{number}")
            shutil.copymode(file, working / f"after-{number}")
    journal = working / _JOURNAL
    written = working / f"{_JOURNAL}.new"
    written.write_text(json.dumps([[each.path, _digest(each.after)] for each in changes]), "utf-8")
    interrupts.ignore()
    for change in changes:
        file = root / change.path
        there = file.read_bytes() if file.is_file() else None
        if there != change.before or (there is None and os.path.lexists(file)):
            raise ScaffoldError(f"{file} was changed just now; see what it is, and try again")
    written.replace(journal)
    try:
        for number, change in enumerate(changes):
            file = root / change.path
            file.parent.mkdir(parents=True, exist_ok=True)
            (working / f"after-{number}").replace(file)
    except BaseException:
        _put_back(root, working)
        raise
    journal.unlink()


def _put_back(root: Path, working: Path) -> None:
    """Undo what `apply_changes` has begun, but where somebody has written since."""
    journal = working / _JOURNAL
    for number, (path, digest) in enumerate(json.loads(journal.read_text("utf-8"))):
        file, before = root / path, working / f"before-{number}"
        if not file.is_file() or _digest(file.read_bytes()) != digest:
            continue
        if before.exists():
            shutil.copy2(before, working / "again")
            (working / "again").replace(file)
        else:
            file.unlink()
            with suppress(OSError):
                file.parent.rmdir()  # Unless something else is there.
    journal.unlink()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _clear(folder: Path, *, ours: bool = False) -> None:
    """Remove a working folder, the mark last: whatever a kill leaves is still recognised."""
    if not folder.is_dir():
        return
    mark = folder / ".gitignore"
    if (folder / _JOURNAL).is_file() and mark.is_file() and mark.read_text("utf-8") == _MARK:
        _put_back(folder.parent, folder)
    entries = list(folder.iterdir())
    marked = mark.is_file() and mark.read_text("utf-8", "replace") == _MARK
    if entries and not ours and not marked:
        raise ScaffoldError(f"{folder} is in the way and not of scaffold's making; move it")
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry != mark:
            entry.unlink()
    mark.unlink(missing_ok=True)
    folder.rmdir()


def _lines(text: str) -> list[str]:
    """Lines with their ends; only \\n ends one, as git sees it."""
    return [f"{line}\n" for line in text.split("\n")[:-1]] + [x for x in text.split("\n")[-1:] if x]
