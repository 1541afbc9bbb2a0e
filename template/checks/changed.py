"""`python -m checks.changed BASE` prints what a change can break, as arguments for pytest.

A module's tests run when it changed or something that it depends on; those of the application as a
whole (`tests/`) always. What belongs to no module can break every one.

The tests of a room of the platform (`tests/platform/`) run when it changed. With `--edited` for BASE,
that is when it is not as the template delivered it, and all other tests run anyway.
"""

import re
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from checks.history import changes_since, changes_since_delivery
from checks.source import depends_on, MODULES, ROOT

_OF_A_MODULE = re.compile(r"src/app/modules/(\w+)/.")
_OF_A_ROOM = re.compile(r"(?:src/app/platform/|src/app/(?=development/)|tests/platform/)(\w+)/.")
_NO_CODE = re.compile(r"(deploy|docs|tests)/.*|[^/]+\.md|CODEOWNERS|[^/.]+\.yaml|\.editorconfig")
"""Read by people, or only by what stands in `tests/`."""
_HOLDS_TESTS = re.compile(r"test_.*\.py|(?!__)\w+")
"""A file, or a folder."""
_ROOMS = ROOT / "tests" / "platform"
EDITED = "--edited"


class Selection(NamedTuple):
    """Which modules to test, or None for all of them, and why."""

    modules: Collection[str] | None
    reason: str


def select(paths: Iterable[str], graph: Mapping[str, Collection[str]]) -> Selection:
    """Return the modules that a change of these files can break.

    `graph` says of every module there is which ones it depends on.
    """
    changed = set()
    for path in sorted(paths):
        found = _OF_A_MODULE.match(path)
        if found and found[1] in graph:
            changed.add(found[1])
        elif not _NO_CODE.fullmatch(path):
            return Selection(None, f"{path} belongs to no module")
    selected = set(changed)
    while more := {name for name in graph.keys() - selected if selected & set(graph[name])}:
        selected |= more
    reason = f"changed: {', '.join(sorted(changed)) or 'no module'}"
    if selected > changed:
        reason += f"; depending on that: {', '.join(sorted(selected - changed))}"
    return Selection(sorted(selected), reason)


def rooms_of(paths: Iterable[str], rooms: Collection[str]) -> list[str]:
    """Return those of the rooms in which these files stand, or their tests."""
    found = (_OF_A_ROOM.match(path) for path in paths)
    return sorted({each[1] for each in found if each and each[1] in rooms})


def _arguments(modules: Collection[str] | None, rooms: Collection[str]) -> list[str]:
    """Return what pytest is given. Without any it runs everything but the tests of rooms."""
    if modules is None and not rooms:
        return []
    tests = ["tests"]
    if rooms:  # pytest would take those for a part of `tests`, and leave them out with the others.
        beside = (path for path in sorted(_ROOMS.parent.iterdir()) if path != _ROOMS)
        tests = [f"tests/{path.name}" for path in beside if _HOLDS_TESTS.fullmatch(path.name)]
        tests += [f"tests/platform/{room}" for room in rooms]
    if modules is None:
        return ["src", *tests]
    return [*tests, *(f"src/app/modules/{name}" for name in modules)]


def main(base: str) -> None:
    """Print the arguments, and why on stderr."""
    graph = {
        toml.parent.name: depends_on(toml.parent.name) for toml in MODULES.glob("*/module.toml")
    }
    known = {file.parent.name for file in _ROOMS.glob("*/test_*.py")}
    selection, since = Selection(None, "there is no base to compare with"), f"since {base}"
    if base == EDITED or (changes := changes_since(base)) is None:
        changes, since = changes_since_delivery(), "since the template delivered them"
    else:
        selection = select((change.path for change in changes), graph)
    rooms = rooms_of((change.path for change in changes), known)
    if selection.modules is not None:
        print(
            f"Testing {len(selection.modules)} of {len(graph)} modules ({selection.reason}).",
            file=sys.stderr,
        )
    elif base != EDITED:
        print(f"Testing everything: {selection.reason}.", file=sys.stderr)
    if rooms:
        print(f"Testing the platform's {', '.join(rooms)}: changed {since}.", file=sys.stderr)
    if arguments := _arguments(selection.modules, rooms):
        print(*arguments)


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
