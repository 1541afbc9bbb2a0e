"""What a repository records of its modules, without one of them."""

import json
import re
import tomllib
from datetime import date, timedelta
from typing import Any

from scaffold.errors import ScaffoldError
from scaffold.removing.files import Contents
from scaffold.repository import ANSWERS, MODULE_ANSWERS, MODULES

MOVED = f"{MODULES.as_posix()}/moved.toml"
_HEAD = "# What became of modules. `app migrate` does it, in this order, once in each database.\n"


def moved(before: bytes | None, name: str, data: str, on: date) -> bytes:
    """Append that a module was removed; a rename that still has stand-ins is finished first."""
    text = _HEAD if before is None else before.decode(errors="surrogateescape")
    try:
        entries = tomllib.loads(text).get("moved", [])
    except tomllib.TOMLDecodeError as error:
        raise ScaffoldError(f"{MOVED} is no TOML ({error}); mend it") from None
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise ScaffoldError(f"{MOVED}: moved must be a list of tables, [[moved]]; mend it")
    open_renames: dict[Any, Any] = {}
    for each in entries:
        if "rename" in each:
            open_renames[each["rename"]] = each.get("to")
        open_renames.pop(each.get("finish"), None)
    more = [("finish", old) for old, new in open_renames.items() if new == name]
    for kind, of in (*more, ("remove", name)):
        day = on
        while any((each.get(kind), each.get("on")) == (of, day) for each in entries):
            day += timedelta(days=1)  # By both, a database knows whether it has done it.
        said = f"data = {json.dumps(data)}\n" if kind == "remove" else ""
        gap = "\n" if text == _HEAD else "\n\n"
        text = f'{text.rstrip()}{gap}[[moved]]\n{kind} = "{of}"\n{said}on = {day.isoformat()}\n'
    return text.encode(errors="surrogateescape")


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
    import yaml

    try:
        return yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return None
