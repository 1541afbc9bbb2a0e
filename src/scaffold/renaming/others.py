"""Files that are no Python: records in their own forms, and all others word by word."""

import json
import re
from pathlib import PurePosixPath

from scaffold.renaming.texts import Span, Words
from scaffold.repository import ANSWERS, MODULE_ANSWERS, MODULES

_DEPENDS_ON = re.compile(r"^(depends_on\s*=\s*\[)(.*?)(\])", re.DOTALL | re.MULTILINE)
_ASKED = re.compile(r"^depends_on: (\{.*\})$", re.MULTILINE)
_LIST = re.compile(r"^modules:[^\n]*\n(?:[ \t]*-[^\n]*\n)*", re.MULTILINE)


def follow(path: str, text: str, words: Words) -> str:
    """A text as it is afterwards; a record is put in order again where it was.

    Args:
        path: of the file, as it was.
        text: what stands in it.
        words: of the module.
    """
    own = f"{MODULES.as_posix()}/{words.old}/"
    name = PurePosixPath(path).name
    if path == ANSWERS:
        return _LIST.sub(lambda m: _listed(m[0], words), text)
    if name == MODULE_ANSWERS:
        return _answers(text, words, is_own=path == own + MODULE_ANSWERS)
    if name == "module.toml":
        text = _DEPENDS_ON.sub(lambda m: m[1] + _needed(m[2], words) + m[3], text)
    return text


def spans(path: str, text: str, words: Words) -> list[Span]:
    """The words of any other file that refer to the module."""
    if PurePosixPath(path).name in (MODULE_ANSWERS, ANSWERS):
        return []
    if path.endswith(".md"):
        is_own = path.startswith(f"{MODULES.as_posix()}/{words.old}/")
        return words.in_markdown(text, path=path, is_own=is_own)
    return words.spans(text, path=path, sql=path.endswith(".sql"))


def sorted_owners(before: str, after: str, folder: str) -> str:
    """CODEOWNERS with the line of a folder among its neighbours, where they were sorted before."""
    was, lines = before.splitlines(keepends=True), after.splitlines(keepends=True)
    siblings = f"/{folder.rpartition('/')[0]}/"
    at = next((n for n, line in enumerate(lines) if line.startswith(f"/{folder}/ ")), None)
    if at is None:
        return after
    first, last = at, at + 1
    while first and lines[first - 1].startswith(siblings):
        first -= 1
    while last < len(lines) and lines[last].startswith(siblings):
        last += 1
    if was[first:last] == sorted(was[first:last]) and lines[last - 1].endswith("\n"):
        lines[first:last] = sorted(lines[first:last])
    return "".join(lines)


def _listed(block: str, words: Words) -> str:
    return re.sub(rf"(?<![\w-]){re.escape(words.old)}(?![\w-])", words.new, block)


def _answers(text: str, words: Words, *, is_own: bool) -> str:
    """An example is rendered by the name that it has in the template: that one stays."""
    if is_own and not re.search(r"^example:", text, re.MULTILINE):
        rule = rf"^(module: [\"']?){re.escape(words.old)}(?=[\"']?$)"
        text = re.sub(rule, rf"\g<1>{words.new}", text, flags=re.MULTILINE)
    return _ASKED.sub(lambda m: f"depends_on: {_asked(m[1], words)}", text)


def _asked(written: str, words: Words) -> str:
    try:
        asked = json.loads(written)
    except ValueError:
        return written
    if words.old not in asked:
        return written
    renamed = {
        (words.new if name == words.old else name): (
            words.classes.get(kind, kind) if name == words.old else kind
        )
        for name, kind in asked.items()
    }
    return json.dumps(renamed, sort_keys=True)


def _needed(listed: str, words: Words) -> str:
    names = re.findall(r"[\"']([^\"']*)[\"']", listed)
    rule = rf"(?<=[\"']){re.escape(words.old)}(?=[\"'])"
    renamed = re.sub(rule, words.new, listed)
    if renamed != listed and names == sorted(names) and "#" not in listed:
        again = iter(sorted(words.new if name == words.old else name for name in names))
        renamed = re.sub(r"(?<=[\"'])[^\"',\s]+(?=[\"'])", lambda _: next(again), renamed)
    return renamed
