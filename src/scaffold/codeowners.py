"""The line that a module has in CODEOWNERS."""

from pathlib import Path

from scaffold.errors import ScaffoldError

# Where GitHub and GitLab look for it. Ours stands at the root; a team may have moved it.
_PLACES = ("CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS")


def find(root: Path) -> Path:
    """The file itself (not a link to it), or where to make it when there is none."""
    places = [root / place for place in _PLACES]
    return next((place for place in places if place.is_file()), places[0]).resolve()


def with_line(content: bytes, folder: str, owner: str, file: Path) -> bytes:
    """Add the line of a folder; a line that is there already stays.

    It goes among its sorted siblings, so that lines added on two branches seldom meet (not every
    host heeds `merge=union`), or else to the end, where it wins.

    Args:
        content: of the whole file; its line ends are kept.
        folder: relative to the root, with `/` and none at its ends.
        owner: `@organisation/team`.
        file: for the refusal, when `content` is in a merge conflict.
    """
    lines = content.splitlines()
    if any(line.startswith((b"<<<<<<< ", b">>>>>>> ")) for line in lines):
        raise ScaffoldError(f"{file} is in a merge conflict; resolve it first")
    if any(_folder_of(line) == folder.encode() for line in lines):
        return content
    end = b"\r\n" if b"\r\n" in content else b"\n"
    line = f"/{folder}/ {owner}".encode()
    siblings = f"{folder.rpartition('/')[0]}/".encode()
    for number, other in enumerate(lines):
        if _folder_of(other).startswith(siblings) and _folder_of(other) > folder.encode():
            before = b"".join(content.splitlines(keepends=True)[:number])
            return before + line + end + content[len(before) :]
    gap = end if content and not content.endswith(b"\n") else b""
    return content + gap + line + end


def _folder_of(line: bytes) -> bytes:
    pattern = line.split(b"#")[0].split()[:1]
    return pattern[0].removesuffix(b"**").strip(b"/") if pattern else b""
