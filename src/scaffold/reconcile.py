"""What the template has changed, merged into what a team has made of it.

Nothing is left for git to guess: what moved is put to its place on all sides, and what one side no
longer has is taken out before git merges lines.
"""

import re
from dataclasses import dataclass, field

from scaffold import moves, objects, sound
from scaffold.merging import Merged, Scratch, Stages
from scaffold.objects import Tree
from scaffold.reader import Files
from scaffold.rendered import Both

_SUBMODULE = "160000"


@dataclass(frozen=True)
class Conflict:
    """A path that the team must decide.

    Attributes:
        path: of the file.
        kind: what is in conflict, in words.
        old: the template's version that the team began with, there.
        new: the template's version to come.
        stages: mode and hash of the file in the old version, with the team, and in the new one.
    """

    path: str
    kind: str
    old: str
    new: str
    stages: Stages


_MIGRATION = re.compile(r"src/app/modules/[^/]+/migrations/[^/]+\.py")


@dataclass
class Reconciled:
    """A merge, and what was decided for it.

    Attributes:
        merged: the files.
        conflicts: what the team must decide.
        moved: what was followed to its new place, by the old one.
        stays_deleted: what the team deleted and the template has changed since.
        kept: what the template dropped and the team had edited.
        theirs: what the template makes, at the places where the team has it.
    """

    merged: Merged = field(default_factory=lambda: Merged({}))
    conflicts: list[Conflict] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    stays_deleted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    written_once: list[str] = field(default_factory=list)
    theirs: Tree = field(default_factory=dict)


def reconcile(scratch: Scratch, both: Both, team: Tree) -> Reconciled:
    """Merge what the template has changed into a team's files.

    Args:
        scratch: where it is done.
        both: the rendered files at the old and the new version.
        team: the files of the repository.
    """
    done = Reconciled()
    base, theirs = _stored(scratch, team, both.base, both.theirs)
    ours = dict(team)
    first, now = scratch.trees(base, ours)
    followed = moves.in_repository(
        scratch.folder, first, now, lambda path: both.base[path].content.count(b"\n")
    )
    folders = moves.of_folders(followed, base, ours)
    dropped = {path for path in base if path not in theirs and ours.get(path) == base[path]}
    by_template = moves.that_fit(both.moved, ours.keys() - (dropped - both.moved.keys()))
    base, ours = _relocated(base, by_template), _relocated(ours, by_template)
    done.moved |= {old: new for old, new in by_template.items() if old in team}
    deleted = {path for path in base if path not in ours}
    by_team = {by_template.get(old, old): new for old, new in followed.items()}
    by_team = moves.that_fit(by_team, theirs.keys() - deleted | by_team.keys() & theirs.keys())
    done.moved |= {old: new for old, new in by_team.items() if old in theirs}
    base, theirs = _relocated(base, by_team), _relocated(theirs, by_team)
    for path in [path for path in theirs if path not in base and path not in ours]:
        new = moves.follow_folder(path, folders)
        if new != path and moves.that_fit({path: new}, theirs.keys() | ours.keys()):
            theirs[new] = theirs.pop(path)
            done.moved[path] = new
    by_hand = set(by_team.values())
    for path in both.answers_files:
        if path in ours:
            base[path] = ours[path]  # What was recorded goes; the new record is whole.
    for path in base.keys() & ours.keys():
        if _MIGRATION.fullmatch(path) and theirs.pop(path, base[path]) != base.pop(path):
            done.written_once.append(path)
    for path in list(base):
        if path not in ours:
            if path in theirs and theirs.pop(path) != base[path]:
                done.stays_deleted.append(path)
            del base[path]
        elif path not in theirs:
            if ours[path] == base[path] and path not in by_hand:
                del ours[path]
            else:
                done.kept.append(path)
            del base[path]
    _keep_line_ends(scratch, base, ours, theirs)
    done.theirs = theirs
    labels = (f"template-{_word(both.old)}", "yours", f"template-{_word(both.new)}")
    if labels[0] == labels[2]:
        labels = (f"{labels[0]}-before", *labels[1:])
    done.merged = scratch.merge(base, ours, theirs, labels)
    done.conflicts = _conflicts(scratch, done.merged, both)
    return done


def _relocated(tree: Tree, moved: moves.Moves) -> Tree:
    """Put files to other places, all at once."""
    return {moved.get(path, path): entry for path, entry in tree.items()}


def _word(version: str) -> str:
    """A version as a part of a file's name and a reference."""
    is_hash = re.fullmatch(r"[0-9a-f]{40,64}", version)
    return version[:10] if is_hash else re.sub(r"[^\w.-]+|\.\.+|\.lock$", "-", version).strip("-.")


def _stored(scratch: Scratch, team: Tree, *sides: Files) -> list[Tree]:
    """Put rendered files into the scratch repository: what the team's repository does not have."""
    there = {blob for mode, blob in team.values() if mode != _SUBMODULE}
    like = next(iter(there), "")
    contents = {file.content for side in sides for file in side.values()}
    hashes = {content: objects.hash_of(content, like) for content in contents}
    objects.write_blobs(scratch.folder, [each for each in contents if hashes[each] not in there])
    return [
        {path: (file.mode, hashes[file.content]) for path, file in side.items()} for side in sides
    ]


def _keep_line_ends(scratch: Scratch, base: Tree, ours: Tree, theirs: Tree) -> None:
    """Give base and theirs the line ends of the team's file, so that these do not conflict."""
    paths = [
        path
        for path in base.keys() & ours.keys() & theirs.keys()
        if base[path][1] not in (ours[path][1], theirs[path][1]) and base[path][0][:3] == "100"
    ]
    if not paths:
        return
    wanted = [side[path][1] for path in paths for side in (ours, base, theirs)]
    contents = objects.read_blobs(scratch.folder, wanted)
    places: list[tuple[Tree, str]] = []
    converted: list[bytes] = []
    for number, path in enumerate(paths):
        mine, *others = contents[number * 3 : number * 3 + 3]
        ends = _ends(mine)
        if ends is None or _ends(others[0]) in (None, ends):
            continue
        for side, content in zip((base, theirs), others, strict=True):
            if _ends(content) is not None:
                places.append((side, path))
                converted.append(content.replace(b"\r\n", b"\n").replace(b"\n", ends))
    for (side, path), blob in zip(
        places, objects.write_blobs(scratch.folder, converted), strict=True
    ):
        side[path] = (side[path][0], blob)


def _ends(content: bytes) -> bytes | None:
    """The line ends of a text, if it has those of one kind."""
    all_ends, windows = content.count(b"\n"), content.count(b"\r\n")
    if b"\0" in content or not all_ends or 0 < windows * 2 <= all_ends:
        return None
    return b"\r\n" if windows else b"\n"


def _conflicts(scratch: Scratch, merged: Merged, both: Both) -> list[Conflict]:
    """List what git could not merge, and what it merged into something broken."""
    found = {path: stages.kind for path, stages in merged.conflicts.items()}
    mixed = {path: each for path, each in merged.mixed.items() if path not in merged.conflicts}
    for path, stages in mixed.items():
        sides = [each[1] for each in (merged.files[path], stages.ours, stages.theirs) if each]
        wrong, *before = (
            sound.what_is_wrong(path, content)
            for content in objects.read_blobs(scratch.folder, sides)
        )
        if wrong and not any(before):  # Else it was broken before.
            merged.conflicts[path] = stages
            found[path] = f"merged line by line, it is broken: {wrong}"
    return [
        Conflict(path, kind, both.version_at(path), both.new, merged.conflicts[path])
        for path, kind in sorted(found.items())
    ]
