"""`python -m checks.changed BASE` prints what a change can break, as arguments for pytest.

A module's tests run when it changed or something that it depends on; those of the application as a
whole (`tests/`) always. What belongs to no module can break every one.
"""

import re
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from checks.history import changes_since
from checks.source import depends_on, MODULES

_OF_A_MODULE = re.compile(r"src/app/modules/(\w+)/.")
_NO_CODE = re.compile(r"(deploy|docs|tests)/.*|[^/]+\.md|CODEOWNERS|[^/.]+\.yaml|\.editorconfig")
"""Read by people, or only by what stands in `tests/`."""


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


def main(base: str) -> None:
    """Print the arguments, and why on stderr; nothing at all means everything."""
    graph = {
        toml.parent.name: depends_on(toml.parent.name) for toml in MODULES.glob("*/module.toml")
    }
    selection = Selection(None, "there is no base to compare with")
    if (changes := changes_since(base)) is not None:
        selection = select((change.path for change in changes), graph)
    if selection.modules is None:
        print(f"Testing everything: {selection.reason}.", file=sys.stderr)
        return
    print(
        f"Testing {len(selection.modules)} of {len(graph)} modules ({selection.reason}).",
        file=sys.stderr,
    )
    print("tests", *(f"src/app/modules/{name}" for name in selection.modules))


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
