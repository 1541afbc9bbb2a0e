"""What our pages name is there: links, headings, commands with their options."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pages
import pytest
import typer.main
from pages import ROOT

from scaffold import cli

PAGES = [*pages.PAGES, ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/adr/*.md"))]
TYPED = [
    *PAGES,
    *sorted(ROOT.glob("template/docs/*.md*")),
    *sorted(ROOT.glob("template/.agents/skills/*/SKILL.md")),
    ROOT / "template/README.md.jinja",
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" in link:
            continue
        file, _, heading = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not heading or heading in _headings(target), link


def test_commands_have_the_options_that_pages_give_them() -> None:
    typed = {command for page in TYPED for command in _commands(page.read_text("utf-8"))}
    assert {tuple(command.split()[:2]) for command in typed} >= {
        ("scaffold", name) for name in ("new", "rename-module", "remove-module", "doctor", "fleet")
    }
    for command in sorted(typed):
        try:
            _parse(typer.main.get_command(cli.app), shlex.split(command)[1:])
        except typer.TyperException as error:
            pytest.fail(f"{command}: {error}")


def _headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _commands(text: str) -> Iterator[str]:
    """Lines of code blocks that begin with `scaffold`, or have `make scaffold` begin so."""
    for block in re.findall(r"^ *```(?:sh|console)?\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE):
        lines = re.sub(r"\\\n\s*", "", block).splitlines()
        for line in lines:
            said = re.sub(r"(^|\s)#.*| && .*", "", line).strip().removeprefix("$ ")
            said = said.replace(pages.ADDRESS, "https://git.example.com/template.git")
            said = re.sub(r"^make scaffold run='(.*)'$", r"scaffold \1", said)
            if said.startswith("scaffold "):
                yield said


def _parse(command: Any, arguments: list[str]) -> None:
    """Read arguments as a run would, and run nothing."""
    while hasattr(command, "commands"):
        name, *arguments = arguments
        assert name in command.commands, f"there is no command {name}"
        command = command.commands[name]
    command.make_context(command.name, arguments)
