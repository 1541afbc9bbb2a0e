"""Checks of files: those that the template keeps, and those that a merge left."""

import re
from collections.abc import Iterator
from typing import Any

from scaffold import git, merging, moves, objects, repository, sound
from scaffold.doctor.finding import Finding, NotKnownError
from scaffold.doctor.seen import Seen

_ROOM = re.compile(
    r"(?:src/app|tests)/platform/(?:(?P<room>\w+)/|(?P<file>\w+)\.py)"
    r"|(?:src/app|tests/platform)/(?P<development>development)/"
)
_AREAS = {
    "the checks": ("checks/",),
    "the pipeline": (".github/workflows/", ".gitlab-ci.yml"),
    "the deployment base": ("deploy/base/", "deploy/components/", "deploy/roll_out.py"),
}
_BEGIN, _MIDDLE, _END = b"<<<<<<< ", b"=======", b">>>>>>> "


def edited_rooms(seen: Seen) -> Iterator[Finding]:
    """Find rooms of the platform that are not as the template delivered them."""
    rooms: dict[str, list[str]] = {}
    for path in seen.edited:
        if found := _ROOM.match(path):
            name = found["development"] or found["room"] or found["file"]
            if name != "__init__":
                rooms.setdefault(name, []).append(path)
    since = seen.edited_since([path for paths in rooms.values() for path in paths])
    for room, paths in sorted(rooms.items()):
        yield _edited(seen, f"the platform's {room}", paths, since)


def edited_areas(seen: Seen) -> Iterator[Finding]:
    """Find pipelines, checks and deployments that are not as the template delivered them."""
    areas = {
        area: [path for path in seen.edited if path.startswith(begins)]
        for area, begins in _AREAS.items()
    }
    since = seen.edited_since([path for paths in areas.values() for path in paths])
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
        f"{what} {'are' if what.endswith('s') and what != 'the pipeline' else 'is'} edited{when}"
        f"{also}",
        "Keep it if you need it; what others need, too, belongs into the template.",
        places=tuple(paths),
        details={"files": files},
    )


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
    """Where missing files are now, as an update would follow them: by what git has committed."""
    if not seen.in_git or not git.has_commit(seen.root, "HEAD"):
        return {}
    prefix = git.run("rev-parse", "--show-prefix", cwd=seen.root)
    ours = objects.tree_of(seen.root, f"HEAD:{prefix}")
    others = {path: entry for path, entry in ours.items() if path not in seen.rendered}
    with merging.scratch(seen.root) as scratch:
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


def conflict_markers(seen: Seen) -> Iterator[Finding]:
    """Find what a merge has left in files."""
    if not seen.in_git:
        raise NotKnownError("the folder is not in git")
    asked = ("grep", "-l", "-z", "-I", "-e", "^<<<<<<< ")
    for path in filter(None, git.call(*asked, cwd=seen.root).stdout.split("\0")):
        content = seen.read(path)
        if content and (line := _marked(path, content)):
            yield Finding(
                f"{path} has a conflict that was not resolved",
                "Decide between both sides, and commit.",
                places=(f"{path}:{line}",),
            )


def has_markers(path: str, content: bytes) -> bool:
    """Whether a merge has left its markers in a file."""
    return _marked(path, content) is not None


def _marked(path: str, content: bytes) -> int | None:
    """The line of the first conflict. A file that speaks of one, and is sound, has none."""
    wanted = [_BEGIN, _MIDDLE, _END]
    first, fenced = None, False
    for number, line in enumerate(content.splitlines(), 1):
        if path.endswith(".md") and line.lstrip().startswith((b"```", b"~~~")):
            fenced = not fenced
        if fenced:
            continue
        if line.startswith(_BEGIN):
            first, wanted = number, [_MIDDLE, _END]
        elif first and wanted and line.startswith(wanted[0]):
            wanted = wanted[1:]
        if first and not wanted:
            known = path.endswith((".py", ".toml", ".json", ".yaml", ".yml"))
            return None if known and sound.what_is_wrong(path, content) is None else first
    return None


def unreadable_files(seen: Seen) -> Iterator[Finding]:
    """Find files that the application, the checks or the pipeline cannot read."""
    _ = seen.modules
    found = {path: why for path, why in seen.unreadable.items() if path.endswith("module.toml")}
    modules = repository.MODULES.as_posix()
    paths = ["pyproject.toml", f"{modules}/moved.toml"]
    paths += [f"{modules}/{module.name}/flags.json" for module in seen.modules]
    paths += workflows(seen)
    for path in paths:
        content = seen.read(path)
        if content is not None and (wrong := _what_is_wrong(path, content)):
            kind = {"toml": "TOML", "json": "JSON"}.get(path.rpartition(".")[2], "YAML")
            found[path] = f"{path} is no {kind} ({wrong})"
    if entry := _wrong_move(seen, f"{modules}/moved.toml"):
        found[f"{modules}/moved.toml"] = f"{modules}/moved.toml: {entry}"
    for path, why in found.items():
        content = seen.read(path)
        if content is None or not has_markers(path, content):
            yield Finding(why, "Mend it, or restore it from git.", places=(path,))


def _what_is_wrong(path: str, content: bytes) -> str | None:
    if not path.endswith((".yml", ".yaml")):
        return sound.what_is_wrong(path, content)
    try:
        parsed_yaml(content)
    except ValueError as error:
        return str(error)
    return None


def _wrong_move(seen: Seen, path: str) -> str | None:
    """What `app migrate` would not take of what became of modules."""
    read = parsed_toml(seen, path) or {}
    entries = read.get("moved", [])
    if not isinstance(entries, list):
        return "moved is no list of tables: write [[moved]]"
    for number, each in enumerate(entries, 1):
        kinds = [kind for kind in ("rename", "finish", "remove") if kind in each]
        if len(kinds) != 1:
            return f"entry {number} is none of rename, finish and remove"
        if kinds == ["rename"] and not isinstance(each.get("to"), str):
            return f"entry {number} does not say to what {each['rename']} is renamed"
    return None


def workflows(seen: Seen) -> list[str]:
    """The files of the pipeline that may call actions."""
    folder = seen.root / ".github"
    found = [*folder.glob("workflows/*.y*ml"), *folder.glob("actions/**/action.y*ml")]
    return sorted(path.relative_to(seen.root).as_posix() for path in found)


def parsed_toml(seen: Seen, path: str) -> dict[str, Any] | None:
    """What a file says; None where there is none, or it cannot be read, which is told elsewhere."""
    import tomllib

    content = seen.read(path)
    try:
        return tomllib.loads(content.decode()) if content is not None else None
    except ValueError:
        return None


def parsed_yaml(content: bytes) -> Any:
    """What a document says. Raises ValueError where it cannot be read."""
    import yaml

    try:
        return yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
