"""Put the result of an update into the real repository: all of it, or nothing."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from scaffold import interrupts, merging, objects
from scaffold.errors import ScaffoldError
from scaffold.merging import Merged, Scratch
from scaffold.objects import Tree


@dataclass(frozen=True)
class Result:
    """What is to be put into the real repository."""

    head: str
    prefix: str
    ours: Tree
    merged: Merged
    message: str


def land(scratch: Scratch, root: Path, result: Result, branch: str | None) -> str:
    """Write the result: a commit, a branch, or git's ordinary state of a conflict."""
    prefix, merged = result.prefix, result.merged
    whole = (
        {
            path: entry
            for path, entry in objects.tree_of(root, result.head).items()
            if not path.startswith(prefix)
        }
        if prefix
        else {}
    )
    whole |= {prefix + path: entry for path, entry in merged.files.items()}
    (tree,) = scratch.trees(whole)
    if not branch:
        _check_free(root, result.ours, merged.files)
    scratch.hand_over(tree, *merged.commits, beside=f"{result.head}^{{tree}}")
    commit = objects.commit_tree(root, tree, result.message, [result.head])
    if branch:
        objects.plumb("branch", "--no-track", branch, commit, cwd=root)
        return commit
    if not merged.conflicts:
        steps = f"git merge --quiet --ff-only --no-overwrite-ignore {commit}"
    else:
        lines = scratch.folder / "index-lines"
        lines.write_bytes(
            merging.index_lines({prefix + path: each for path, each in merged.conflicts.items()})
        )
        shown = scratch.folder / "shown"  # Even where a sparse checkout leaves them out.
        paths = [prefix + path for path in merged.conflicts if path in merged.files]
        shown.write_bytes(b"".join(os.fsencode(path) + b"\0" for path in paths))
        message = scratch.folder / "message"
        message.write_text(f"{result.message}\n")
        steps = (
            "git update-index -q --refresh || true; "  # Files may be touched, or copied.
            f"git read-tree -m -u {result.head} {tree}; "
            f"trap '[ $? = 0 ] || git read-tree --reset -u {result.head}' EXIT; "
            f'cd "$(git rev-parse --show-toplevel)"; '
            f"git update-index -z --no-skip-worktree --stdin <'{shown}'; "
            f"git checkout-index -z --force --stdin <'{shown}'; "
            f"git update-index -z --index-info <'{lines}'; "
            f"cp '{message}' \"$(git rev-parse --git-path MERGE_MSG)\"; "
            f"git update-ref CHERRY_PICK_HEAD {commit}"
        )
    # In a session of its own: whatever becomes of this process, these steps come to their end.
    interrupts.ignore()
    if objects.plumb("rev-parse", "HEAD", cwd=root).decode().strip() != result.head:
        raise ScaffoldError(f"somebody has just committed in {root}; run the update again")
    ended = subprocess.run(
        ["sh", "-e", "-c", steps],
        cwd=root,
        capture_output=True,
        start_new_session=True,
        check=False,
    )
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip() or "no reason given"
        raise ScaffoldError(f"git could not write the result: {' '.join(said.split())}")
    return commit


def land_files(root: Path, result: Result, contents: Mapping[str, bytes]) -> str:
    """Commit files in their new places, some of them with other contents, or new."""
    files = dict(result.merged.files)
    with merging.scratch(root, result.ours) as scratch:
        blobs = objects.write_blobs(scratch.folder, list(contents.values()))
        for path, blob in zip(contents, blobs, strict=True):
            files[path] = files.get(path, ("100644", ""))[0], blob
        return land(scratch, root, replace(result, merged=Merged(files)), None)


def _check_free(root: Path, ours: Tree, merged: Tree) -> None:
    """Refuse to write over a file that git does not track, ignored ones included."""
    for path in merged.keys() - ours.keys():
        place = root / path
        parents = [each for each in place.parents if each != root and each.is_relative_to(root)]
        for there in _untracked(place, root, ours):
            raise ScaffoldError(
                f"{there} would be written over, and git does not have it; move it away, or "
                "commit it"
            )
        if any(_is_in_the_way(parent) for parent in parents if _is_untracked(parent, root, ours)):
            raise ScaffoldError(f"{place} needs a folder where a file is; move that away")


def _untracked(place: Path, root: Path, ours: Tree) -> Iterator[Path]:
    """What stands at a place, or below it, without git's knowledge."""
    if place.is_dir() and not place.is_symlink():
        for path in place.rglob("*"):
            if not path.is_dir() and _is_untracked(path, root, ours):
                yield path
    elif os.path.lexists(place):
        yield place


def _is_in_the_way(parent: Path) -> bool:
    return parent.is_symlink() or parent.is_file()


def _is_untracked(place: Path, root: Path, ours: Tree) -> bool:
    return place.relative_to(root).as_posix() not in ours
