"""The line that a module has in CODEOWNERS."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from scaffold.errors import ScaffoldError

# Where GitHub and GitLab look for it. Ours stands at the root; a team may have moved it.
_PLACES = ("CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS")

# GitLab's: the head of a section, to which all lines below it belong: [Payments], ^[Docs][2] @acme.
_SECTION = re.compile(rb"\^?\[[^\]]+\](?:\[\d+\])?(?:\s|$)")


def find(root: Path) -> Path:
    """The file itself (not a link to it), or where to make it when there is none."""
    places = [root / place for place in _PLACES]
    return next((place for place in places if place.is_file()), places[0]).resolve()


def with_line(content: bytes, folder: str, owner: str, file: Path) -> bytes:
    """Add the line of a folder; a line that is there already stays.

    It goes among its sorted siblings, so that lines added on two branches seldom meet (not every
    host heeds `merge=union`), or else behind the last of them. Without any it goes to the end,
    where it wins, or before the first of GitLab's sections, which are about something else.

    Args:
        content: of the whole file; its line ends are kept.
        folder: relative to the root, with `/` and none at its ends.
        owner: `@organisation/team`.
        file: for the refusal, when `content` is in a merge conflict.
    """
    lines = content.splitlines()
    _check_merged(lines, file)
    if any(_folder_of(line) == folder.encode() for line in lines):
        return content
    end = b"\r\n" if b"\r\n" in content else b"\n"
    line = f"/{folder}/ {owner}".encode()
    siblings = f"{folder.rpartition('/')[0]}/".encode()
    theirs = {
        number: found
        for number, other in enumerate(lines)
        if (found := _folder_of(other)).startswith(siblings)
    }
    sections = [number for number, other in enumerate(lines) if _SECTION.match(other)]
    if theirs:
        later = [number for number, other in theirs.items() if other > folder.encode()]
        place = later[0] if later else max(theirs) + 1
    else:
        place = _above(lines, sections[0]) if sections else len(lines)
    before = b"".join(content.splitlines(keepends=True)[:place])
    gap = end if before and not before.endswith(b"\n") else b""
    return before + gap + line + end + content[len(before) :]


def owners_of(content: str, paths: Iterable[str]) -> dict[str, str]:
    """By path, who is named first in the last line that matches: that line counts."""
    from pathspec import GitIgnoreSpec

    rules = []
    for line in content.splitlines():
        pattern, *owners = line.split("#")[0].split() or [""]
        if owners and not pattern.startswith(("[", "^", "!")):
            with suppress(ValueError):  # No host takes it for a pattern either.
                rules.append((GitIgnoreSpec.from_lines([pattern]), owners[0]))
    rules.reverse()
    return {
        path: next((owner for pattern, owner in rules if pattern.match_file(path)), "")
        for path in paths
    }


def lines_of(content: bytes, folder: str) -> list[int]:
    """The numbers of the lines about a folder, or about what stands in it; the first is 1."""
    wanted = folder.encode()
    return [
        number
        for number, line in enumerate(content.splitlines(), 1)
        if (found := _folder_of(line)) == wanted or found.startswith(wanted + b"/")
    ]


def without(content: bytes, folder: str, file: Path) -> bytes:
    """Take out the lines about a folder, and about what stands in it."""
    _check_merged(content.splitlines(), file)
    gone = {*lines_of(content, folder)}
    lines = enumerate(content.splitlines(keepends=True), 1)
    return b"".join(line for number, line in lines if number not in gone)


def _check_merged(lines: list[bytes], file: Path) -> None:
    if any(line.startswith((b"<<<<<<< ", b">>>>>>> ")) for line in lines):
        raise ScaffoldError(f"{file} is in a merge conflict; resolve it first")


def _above(lines: list[bytes], head: int) -> int:
    """Where to put a line before the head of a section, and before the comment on that."""
    while head and lines[head - 1].startswith(b"#"):
        head -= 1
    while head and not lines[head - 1].strip():
        head -= 1
    return head


def _folder_of(line: bytes) -> bytes:
    pattern = line.split(b"#")[0].split()[:1]
    return pattern[0].removesuffix(b"**").strip(b"/") if pattern else b""
