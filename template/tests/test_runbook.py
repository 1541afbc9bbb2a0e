"""What the runbooks tell somebody at night to type is there."""

import re
import shlex
from pathlib import Path

from typer.core import TyperGroup
from typer.main import get_command

from app.cli import cli

ROOT = Path(__file__).parents[1]
RUNBOOKS = [
    file
    for files in ("*.md", "docs/*.md", ".agents/skills/*/SKILL.md", "src/app/modules/*/README.md")
    for file in ROOT.glob(files)
]


def commands(markdown: str) -> list[str]:
    """Return each `app …` that stands in a block, or in a line, of code."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", markdown, re.DOTALL | re.MULTILINE)
    inline = re.findall(
        r"(?<!`)`([^`]+)`(?!`)", re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)
    )
    lines = [line for block in blocks for line in block.splitlines()] + inline
    return [
        found[1] for line in lines if (found := re.match(r"\s*(?:\S*/)?app ([a-z].*)", line, re.S))
    ]


def test_every_command_that_a_runbook_names_exists() -> None:
    app = get_command(cli)
    for runbook in RUNBOOKS:
        for named in commands(runbook.read_text("utf-8")):
            command = app
            words = shlex.split(re.split(r" (?:[|>]|2>|-- )|…", named)[0], comments=True)
            while isinstance(command, TyperGroup) and words:
                where = f"{runbook.relative_to(ROOT)}: `app {named}`"
                assert words[0] in command.commands, f"{where}: there is no such command"
                command = command.commands[words.pop(0)]
            options = {option for parameter in command.params for option in parameter.opts}
            unknown = {word for word in words if word.startswith("-")} - options
            assert not unknown, f"{where} has no {', '.join(unknown)}"
