"""What a Python file takes from others, seen quickly: most have nothing to do with what moved."""

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scaffold.changes import Changes

_PATH = re.compile(r"\w+(?:\.\w+)+(?::\w+)?")


@dataclass
class Glance:
    """What a file takes.

    Attributes:
        taken: the dotted names that it imports, or says in quotes.
        stars: the modules that it imports all of.
        looks_up: whether it imports by name.
    """

    taken: set[str] = field(default_factory=set)
    stars: set[str] = field(default_factory=set)
    looks_up: bool = False


def glance(content: bytes, name: str) -> Glance | None:
    """Look at a file by the name of its module; None where it is no Python of this version."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return None
    found = Glance(looks_up=b"import_module" in content or b"__import__" in content)
    package = name.rpartition(".")[0].split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.taken.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                if alias.name == "*":
                    found.stars.add(origin)
                else:
                    found.taken.add(f"{origin}.{alias.name}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.taken.update(each.replace(":", ".") for each in _PATH.findall(node.value))
    return found


def may_concern(seen: Glance | None, changes: Changes) -> bool:
    """Whether a file may have to do with something that moved."""
    if seen is None or seen.looks_up:
        return True
    owners = {change.place.dotted.rpartition(".")[0] for change in changes.members}
    return any(_is_concerned(name, changes) or name in owners for name in seen.taken | seen.stars)


def _is_concerned(name: str, changes: Changes) -> bool:
    fate = changes.fate(name)
    return bool(fate.first or fate.ended or fate.changed or changes.is_left(name))


def used(files: Mapping[str, bytes]) -> set[str]:
    """What files take from one another, of Python files by the names of their modules."""
    seen: Iterable[Glance | None] = (glance(content, name) for name, content in files.items())
    return {name for each in seen if each for name in each.taken}
