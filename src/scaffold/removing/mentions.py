"""Lines that name a module and are no reference that could be followed: they are the team's."""

import re
from collections.abc import Collection

from scaffold import names
from scaffold.contents import Contents, Place, is_text
from scaffold.errors import ScaffoldError
from scaffold.history import History
from scaffold.repository import ANSWERS, MODULES, Template

_KINDS = (
    ("observability/dashboards", "dashboard"),
    ("observability/", "alert"),
    ("deploy/", "deployment"),
    ("compose", "deployment"),
    (".github/", "pipeline"),
    (".gitlab", "pipeline"),
    ("docs/", "docs"),
)
_LONGEST = 80
_LOCKS = ("uv.lock", ".secrets.baseline")


def find(name: str, contents: Contents, pristine: Contents, passed: Collection[str]) -> list[Place]:
    """List the lines outside a module's folder in which its name, or its interface's, is a word.

    Args:
        name: of the module.
        contents: of all files.
        pristine: what the template makes of them: its own examples name no module.
        passed: files that are seen to in other ways.
    """
    spelled = name.replace("_", "[-_ ]?")
    word = re.compile(
        rf"(?<![A-Za-z0-9]){spelled}(?![A-Za-z0-9])|(?<!\w){names.class_name(name)}(?!\w)"
    )
    found = []
    for path, content in contents.items():
        its_own = path.startswith(f"{MODULES.as_posix()}/{name}/")
        if its_own or path in passed or path in _LOCKS or not is_text(content):
            continue
        text = content.decode(errors="replace")
        if not word.search(text):
            continue
        told = {*pristine.get(path, b"").decode(errors="replace").splitlines()}
        for number, line in enumerate(text.splitlines(), 1):
            if word.search(line) and line not in told:
                said = line.strip()
                cut = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
                found.append(Place(path, number, f"{_kind(path)}: {cut}"))
    return found


def pristine(recorded: Template, name: str) -> dict[str, bytes]:
    """What the template makes of a repository without a module; nothing if it is not at hand."""
    listed = recorded.answers.get("modules")
    others = [each for each in listed if each != name] if isinstance(listed, list) else []
    try:
        history = History(recorded.source, recorded.version, None, lambda _: None)
        made = history.render(recorded.version, {}, {**recorded.answers, "modules": others}, False)
    except (ScaffoldError, OSError):
        return {}
    return {path: file.content for path, file in made.files.items() if path != ANSWERS}


def _kind(path: str) -> str:
    kinds = (kind for start, kind in _KINDS if path.startswith(start))
    of_kind = "docs" if path.endswith(".md") else "code" if path.endswith(".py") else "text"
    return next(kinds, of_kind)
