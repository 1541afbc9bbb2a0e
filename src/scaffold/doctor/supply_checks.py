"""Checks of what comes from elsewhere: actions, dependencies, Python and PostgreSQL."""

import re
from collections.abc import Iterator
from typing import Any

from scaffold.doctor import lifetimes
from scaffold.doctor.broken_checks import parsed_yaml, workflows
from scaffold.doctor.finding import Finding
from scaffold.doctor.seen import Seen

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PINNED = {
    "python": re.compile(
        r"(?:(?<![\w.-])python:|python-version:\s*[\"']?|^cpython-|^)(?<!\w)(\d\.\d+)(?![\w])"
    ),
    "postgres": re.compile(r"(?<![\w.-])postgres(?:ql)?:(\d+)(?![\w])"),
}
_RUNS = ("Dockerfile*", "compose*.y*ml", ".gitlab-ci.yml", ".devcontainer/devcontainer.json")
_COMMENT = re.compile(r"(?:^|\s)(?:#|//).*")
_NAMES = {"python": "Python", "postgres": "PostgreSQL"}


def unpinned_actions(seen: Seen) -> Iterator[Finding]:
    """Find actions that are called by a name that may move."""
    for path in workflows(seen):
        content = seen.read(path) or b""
        lines = content.decode(errors="replace").splitlines()
        for action in sorted(set(_used(_read(content)))):
            if _is_pinned(action):
                continue
            said = (n for n, line in enumerate(lines, 1) if "uses" in line and action in line)
            yield Finding(
                f"{path} calls {action}, which may be another tomorrow",
                "Name the commit, and the version in a comment behind it; Renovate keeps both.",
                places=(f"{path}:{next(said, 1)}",),
                details={"action": action},
            )


def _used(workflow: Any) -> Iterator[str]:
    """What is called: by jobs, by their steps, and by the steps of an action."""
    jobs = workflow.get("jobs") if isinstance(workflow, dict) else None
    runs = workflow.get("runs") if isinstance(workflow, dict) else None
    callers = [each for each in [*(jobs.values() if isinstance(jobs, dict) else ()), runs] if each]
    for caller in (each for each in callers if isinstance(each, dict)):
        steps = caller.get("steps")
        for each in (caller, *(steps if isinstance(steps, list) else ())):
            if isinstance(each, dict) and isinstance(each.get("uses"), str):
                yield each["uses"]


def _is_pinned(action: str) -> bool:
    if action.startswith(("./", "../")):
        return True
    if action.startswith("docker://"):
        return "@sha256:" in action
    return _COMMIT.fullmatch(action.rpartition("@")[2]) is not None


def _read(content: bytes) -> Any:
    try:
        return parsed_yaml(content)
    except ValueError:
        return None  # SC-012 says what is wrong.


def old_python(seen: Seen) -> Iterator[Finding]:
    """Find a Python that gets no fixes any more, or not for long."""
    return _old(seen, "python")


def old_postgres(seen: Seen) -> Iterator[Finding]:
    """Find a PostgreSQL that gets no fixes any more, or not for long."""
    return _old(seen, "postgres")


def _old(seen: Seen, product: str) -> Iterator[Finding]:
    found: dict[str, list[str]] = {}
    files = (path for pattern in _RUNS for path in sorted(seen.root.glob(pattern)))
    paths = [path.relative_to(seen.root).as_posix() for path in files]
    for path in [*paths, *workflows(seen), *([".python-version"] if product == "python" else [])]:
        text = (seen.read(path) or b"").decode(errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            for version in _PINNED[product].findall(_COMMENT.sub("", line)):
                found.setdefault(version, []).append(f"{path}:{number}")
    if product == "postgres" and seen.database:
        found.setdefault(str(seen.live["postgres"]), []).append("the database")
    for version, places in sorted(found.items()):
        if finding := ending(seen, product, version, tuple(places)):
            yield finding


def ending(seen: Seen, product: str, version: str, places: tuple[str, ...]) -> Finding | None:
    """Say that a version is over, or soon will be."""
    end = lifetimes.end_of(product, version)
    if end is None or (end - seen.today).days > lifetimes.SOON:
        return None
    name = f"{_NAMES[product]} {version}"
    is_over = end < seen.today
    return Finding(
        f"{name} {'has got no security fixes since' if is_over else 'gets security fixes until'} "
        f"{end}",
        "Move to a newer one.",
        places=places,
        details={"product": product, "version": version, "end_of_life": end.isoformat()},
    )
