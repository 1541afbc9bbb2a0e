"""Checks of files that are broken: those that a merge left so, and those that nothing can read."""

from collections.abc import Iterator
from typing import Any

from scaffold import git, repository, sound
from scaffold.doctor.finding import Finding, NotKnownError
from scaffold.doctor.seen import Seen

_BEGIN, _MIDDLE, _END = b"<<<<<<< ", b"=======", b">>>>>>> "


def conflict_markers(seen: Seen) -> Iterator[Finding]:
    """Find what a merge has left in files."""
    if not seen.in_git:
        raise NotKnownError("the folder is not in git")
    asked = ("-c", "grep.fullName=false", "grep", "-l", "-z", "-I", "--no-color", "-e", "^<<<<<<< ")
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
    """The line of the first conflict. A text in a file that is sound is none."""
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
            may_quote = path.endswith((".py", ".toml"))
            return None if may_quote and sound.what_is_wrong(path, content) is None else first
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
    try:
        return repository.load_yaml(content)
    except ValueError as error:
        raise ValueError(" ".join(str(error).split())) from None
