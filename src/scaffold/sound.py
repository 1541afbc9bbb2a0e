"""Whether a file is still what its name says, after two sides were merged into it.

git merges lines. Two sides that add one key in two places of a document merge without a conflict,
and the document is broken.
"""

import json
import tomllib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from scaffold.errors import ScaffoldError


def what_is_wrong(path: str, content: bytes) -> str | None:
    """Return why a file cannot be read as what it is, or None. Only what we know is looked at."""
    name = PurePosixPath(path)
    check = _CHECKS.get(name.suffix) or (_codeowners if name.name == "CODEOWNERS" else None)
    if check is None:
        return None
    try:
        check(content.decode())
    except (ValueError, SyntaxError, ScaffoldError) as error:
        return " ".join(str(error).split())
    return None


def _toml(text: str) -> None:
    tomllib.loads(text)


def _json(text: str) -> None:
    def once(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"it has {sorted(twice)[0]!r} twice")

    json.loads(text, object_pairs_hook=once)


def _yaml(text: str) -> None:
    import yaml

    try:
        for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
            _check_node(document)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _check_node(node: Any) -> None:
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise ValueError(f"line {line} has {key.value!r} a second time")
                seen.add(key.value)
            _check_node(value)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            _check_node(each)


def _python(text: str) -> None:
    compile(text, "merged", "exec", dont_inherit=True)


def _codeowners(text: str) -> None:
    paths = [line.split()[0] for line in text.splitlines() if line.strip() and line[0] not in "#[^"]
    if twice := {path for path in paths if paths.count(path) > 1}:
        raise ValueError(f"it names {sorted(twice)[0]} twice")


_CHECKS: dict[str, Callable[[str], None]] = {
    ".json": _json,
    ".py": _python,
    ".toml": _toml,
    ".yaml": _yaml,
    ".yml": _yaml,
}
