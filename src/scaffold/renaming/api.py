"""What clients see another name of, once a module is called otherwise."""

import ast
import re
from collections import Counter
from collections.abc import Mapping

from scaffold.renaming.facts import METHODS, Facts
from scaffold.repository import MODULES


def changes(facts: Facts, contents: Mapping[str, bytes]) -> list[str]:
    """Addresses, and other names in the description of the API that are made of the module's."""
    old, new = (name.replace("_", "-") for name in (facts.old, facts.new))
    said = [f"{method} /{old}{path} -> /{new}{path}" for method, path in facts.routes]
    by_module: dict[str, Counter[str]] = {}
    inside = re.compile(rf"{MODULES.as_posix()}/(\w+)/(?!tests/).*\.py")
    for path, content in contents.items():
        if (match := inside.fullmatch(path)) and b"@" in content:
            by_module.setdefault(match[1], Counter()).update(_operations(content))
    own = by_module.pop(facts.old, Counter())
    elsewhere = {name for names in by_module.values() for name in names}
    for name, number in sorted(own.items()):
        if number > 1:
            said.append(f"operation ids of {name}, which have its address in them")
        elif name in elsewhere:
            said.append(f"operation id {facts.old}_{name} -> {facts.new}_{name}")
    return [*said, f"tag {facts.old} -> {facts.new}"] if said else []


def _operations(content: bytes) -> list[str]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return []
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for each in node.decorator_list
        if isinstance(each, ast.Call)
        and isinstance(each.func, ast.Attribute)
        and each.func.attr in METHODS
    ]
