"""What a repository records of its modules, without one of them."""

import json
import re
from typing import Any

from scaffold.contents import Contents
from scaffold.errors import ScaffoldError
from scaffold.repository import ANSWERS, MODULE_ANSWERS, MODULES, load_yaml


def answers(content: bytes, name: str) -> bytes:
    """Take a module out of the answer `modules`, and leave the rest of the file as it is."""
    recorded = _read(content)
    listed = recorded.get("modules") if isinstance(recorded, dict) else None
    if not isinstance(listed, list) or name not in listed:
        return content
    left = [each for each in listed if each != name]
    text = content.decode()
    found = re.search(r"^modules:[^\n]*\n(?:[ \t]*-[^\n]*\n?|[ \t]+[^\n]*\n?)*", text, re.MULTILINE)
    lines = "".join(f"- {each}\n" for each in left)
    written = f"modules:\n{lines}" if left else "modules: []\n"
    after = text[: found.start()] + written + text[found.end() :] if found else text
    if _read(after.encode()) != {**recorded, "modules": left}:
        raise ScaffoldError(f"{ANSWERS}: take {name} out of modules there, and commit it")
    return after.encode()


def dependencies(contents: Contents, name: str) -> dict[str, bytes]:
    """Take a module out of what others were made with: they do not depend on it any more."""
    found = {}
    for path, content in contents.items():
        if not path.startswith(f"{MODULES.as_posix()}/") or not path.endswith(MODULE_ANSWERS):
            continue
        recorded = _read(content)
        asked = recorded.get("depends_on") if isinstance(recorded, dict) else None
        if not isinstance(asked, dict) or name not in asked:
            continue
        left = {key: value for key, value in asked.items() if key != name}
        line = f"depends_on: {json.dumps(left)}"
        text = re.sub(r"^depends_on:[^\n]*(?:\n[ \t]+[^\n]*)*", line, content.decode(), flags=re.M)
        if _read(text.encode()) == {**recorded, "depends_on": left}:
            found[path] = text.encode()
    return found


def _read(content: bytes) -> Any:
    try:
        return load_yaml(content)
    except ValueError:
        return None
