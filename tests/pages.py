"""What a page of the documentation tells its reader to type, in order.

Commands stand in fenced blocks: ```sh has commands alone, ```console has them behind `$ ` and shows what
they print, with `…` for whatever stands there. A comment before a block, which no reader sees, says what
is special about it:

    <!-- before: COMMANDS -->     typed as well: what the page takes for granted
    <!-- not run: REASON -->      nobody can type this here, or it takes too long
    <!-- fails -->                its last command exits with an error
    <!-- in a moment -->          it prints that soon, and maybe not at once
    <!-- goes on -->              it runs until the page says <!-- Ctrl-C -->, or ends
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted(ROOT.glob("docs/**/*.md")) if "adr" not in page.parts),
]
GENERATED = ("repository", "releases")  # By `make docs`: see docs/_site/repository.py.
PAGES = [page for page in PAGES if page.parent.name not in GENERATED]
ADDRESS = "<this repository>"  # Where a reader has found this page.
MARKS = ("before", "not run", "fails", "in a moment", "goes on", "Ctrl-C")

_TOKEN = re.compile(
    r"^(?P<indent> *)(?:<!-- (?P<mark>.*?)\s-->|```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```)$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Step:
    """One command, where it stands, and what is said of it."""

    place: str
    command: str
    shown: str | None = None
    mark: str = ""
    reason: str = ""


def name(page: Path) -> str:
    return page.relative_to(ROOT if page.is_relative_to(ROOT) else page.parent).as_posix()


def fences(page: Path) -> Iterator[tuple[int, str, str]]:
    """Line, language and content of each fenced block."""
    text = page.read_text("utf-8")
    for token in _TOKEN.finditer(text):
        if token["mark"] is None:
            yield _line(text, token), token["info"], token["body"]


def steps(page: Path) -> Iterator[Step]:
    """What a reader types from the top of the page to its end."""
    text = page.read_text("utf-8")
    mark = reason = ""
    for token in _TOKEN.finditer(text):
        place = f"{name(page)}:{_line(text, token)}"
        if token["mark"] is not None:
            said, _, about = token["mark"].partition(":")
            if said == "before":
                yield from (Step(place, each) for each in commands(dedent(about).strip()))
            elif said == "Ctrl-C":
                yield Step(place, "", mark=said)
            elif said in MARKS:
                mark, reason = said, about.strip()
            continue
        body = dedent(token["body"])
        found: list[tuple[str, str | None]] = []
        if token["info"] == "sh":
            found = [(each, None) for each in commands(body)]
        elif token["info"] == "console":
            found = list(_session(body))
        for number, (command, shown) in enumerate(found, 1):
            of_last = mark == "fails" and number < len(found)
            yield Step(place, command, shown, "" if of_last else mark, reason)
        mark = reason = ""


@cache
def commands(text: str) -> tuple[str, ...]:
    """Whole commands: as many lines as a shell needs to understand them."""
    found, lines = [], []
    for line in text.splitlines():
        if lines or line.strip():
            lines.append(line)
        if lines and _is_whole(whole := "\n".join(lines)):
            if not all(each.lstrip().startswith("#") for each in lines):
                found.append(whole)
            lines = []
    assert not lines, f"no shell understands {lines}"
    return tuple(found)


def _is_whole(text: str) -> bool:
    if text.endswith("\\"):
        return False
    text = text.replace(ADDRESS, "address")
    read = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True)
    return not read.returncode and not read.stderr


def _session(body: str) -> Iterator[tuple[str, str | None]]:
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        typed, *rest = part.splitlines()
        while rest and rest[0].startswith("> "):
            typed += "\n" + rest.pop(0)[2:]
        yield typed, "\n".join(rest).strip("\n") or None


def _line(text: str, token: re.Match[str]) -> int:
    return text.count("\n", 0, token.start()) + 1
