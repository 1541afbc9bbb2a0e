"""The bounds of a repository's dependencies, at two versions of its template."""

import tomllib

from scaffold.reader import Files

_FILE = "pyproject.toml"


def changed(base: Files, theirs: Files) -> list[str]:
    """Say which dependencies the template has added, dropped, or given other bounds."""
    old, new = _read(base), _read(theirs)
    return [
        f"{name}: {old.get(name, 'none')} -> {new.get(name, 'none')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _read(files: Files) -> dict[str, str]:
    from packaging.requirements import InvalidRequirement, Requirement

    found: dict[str, str] = {}
    file = files.get(_FILE)
    try:
        project = tomllib.loads(file.content.decode()) if file else {}
    except ValueError:
        return {}
    groups = [project.get("project", {}).get("dependencies", [])]
    groups += project.get("dependency-groups", {}).values()
    for each in (each for group in groups for each in group if isinstance(each, str)):
        try:
            requirement = Requirement(each)
        except InvalidRequirement:
            continue
        found[requirement.name] = str(requirement.specifier) or "any"
    return found
