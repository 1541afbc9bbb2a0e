"""Checks of the files that the template keeps: what a team has made of them."""

import os
import re
from collections.abc import Iterator

from scaffold import git, merging, moves, objects, repository
from scaffold.doctor.finding import Finding
from scaffold.doctor.seen import Seen

_ROOM = re.compile(
    r"(?:src/app|tests)/platform/(?:(?P<room>\w+)/|(?P<file>\w+)\.py)"
    r"|(?:src/app|tests/platform)/(?P<development>development)/"
)
_AREAS = {
    "the checks are": ("checks/",),
    "the pipeline is": (".github/workflows/", ".gitlab-ci.yml"),
    "the deployment base is": (
        "deploy/base/",
        "deploy/components/",
        "deploy/parts/",
        "deploy/roll_out.py",
    ),
}
_MODULES = f"{repository.MODULES.as_posix()}/"
_VERSIONED = re.compile(rb"((?:uses|image):\s*[^\s@:#]+)[@:][^\s#]+(?:[ \t]*#[^\n]*)?")


def edited_rooms(seen: Seen) -> Iterator[Finding]:
    """Find rooms of the platform that are not as the template delivered them."""
    rooms: dict[str, list[str]] = {}
    for path in seen.edited:
        if found := _ROOM.match(path):
            name = found["development"] or found["room"] or found["file"]
            if name != "__init__":
                rooms.setdefault(name, []).append(path)
    since = _edited_since(seen, [path for paths in rooms.values() for path in paths])
    for room, paths in sorted(rooms.items()):
        yield _edited(seen, f"the room {room} of the platform is", paths, since)


def edited_areas(seen: Seen) -> Iterator[Finding]:
    """Find pipelines, checks and deployments that are not as the template delivered them."""
    areas = {
        area: [
            path for path in seen.edited if path.startswith(begins) and not _is_moved_on(seen, path)
        ]
        for area, begins in _AREAS.items()
    }
    since = _edited_since(seen, [path for paths in areas.values() for path in paths])
    for area, paths in areas.items():
        if paths:
            yield _edited(seen, area, paths, since)


def _edited(seen: Seen, what: str, paths: list[str], since: dict[str, str]) -> Finding:
    files = [
        {
            "path": path,
            "since": since.get(path),
            "template_changed": seen.rendered[path].source in seen.changed_sources,
        }
        for path in paths
    ]
    days = sorted(filter(None, (since.get(path) for path in paths)))
    when = f" since {days[0]}" if days else ""
    both = [str(each["path"]) for each in files if each["template_changed"]]
    also = f"; the template has changed {', '.join(both)} too" if both else ""
    return Finding(
        f"{what} edited{when}{also}",
        "Keep it if you need it; what others need, too, belongs into the template.",
        places=tuple(paths),
        details={"files": files},
    )


def _is_moved_on(seen: Seen, path: str) -> bool:
    """Whether a file differs only in the versions of actions and images, as Renovate leaves it."""
    sides = (seen.read(path) or b"", seen.rendered[path].content)
    ours, theirs = (_VERSIONED.sub(rb"\1", each.replace(b"\r\n", b"\n")) for each in sides)
    return ours == theirs


def missing_files(seen: Seen) -> Iterator[Finding]:
    """Find files of the template that are gone, or elsewhere."""
    moved = _moved(seen) if seen.missing else {}
    if moved:
        yield Finding(
            f"moved: {', '.join(f'{old} -> {new}' for old, new in moved.items())}",
            "Updates follow them; documentation and colleagues may not.",
            places=tuple(moved.values()),
            details={"moved": moved},
        )
    if gone := [path for path in seen.missing if path not in moved]:
        yield Finding(
            f"missing: {', '.join(gone)}",
            "Updates leave them out; to have them again, take them from git's history.",
            places=tuple(gone),
            details={"missing": gone},
        )


def _moved(seen: Seen) -> dict[str, str]:
    """Where missing files are now, as an update would follow them: by what git knows of."""
    if not seen.in_git:
        return {}
    others = {}
    for entry in objects.plumb("ls-files", "--stage", "-z", cwd=seen.root).split(b"\0")[:-1]:
        about, _, name = entry.partition(b"\t")
        mode, blob, _stage = about.decode().split()
        path = os.fsdecode(name)
        if path not in seen.rendered and not path.startswith(_MODULES):
            others[path] = (mode, blob)
    with merging.scratch(seen.root, {}) as scratch:
        lost = [seen.rendered[path] for path in seen.missing]
        blobs = objects.write_blobs(scratch.folder, [file.content for file in lost])
        base = {
            path: (file.mode, blob)
            for path, file, blob in zip(seen.missing, lost, blobs, strict=True)
        }
        first, now = scratch.trees(base, others)
        found = moves.in_repository(
            scratch.folder, first, now, lambda path: seen.rendered[path].content.count(b"\n")
        )
    return {old: new for old, new in found.items() if (seen.root / new).is_file()}


def _edited_since(seen: Seen, paths: list[str]) -> dict[str, str]:
    """The day of the first commit of the team's to each of some files, where git knows one."""
    if not paths or not seen.in_git or not git.has_commit(seen.root, "HEAD"):
        return {}
    printed = git.run(
        *("-c", "core.quotePath=false", "-c", "log.showSignature=false", "log", "--no-color"),
        *("--format=%x01%cs", "--name-only", "--no-renames", "--relative", "--"),
        *(repository.ANSWERS, *paths),
        cwd=seen.root,
    )
    first: dict[str, str] = {}
    for commit in printed.split("\x01")[1:]:
        day, *files = commit.split("\n")
        if repository.ANSWERS not in files:  # Else it is how the template delivered them.
            first.update(dict.fromkeys(filter(None, files), day))
    return first
