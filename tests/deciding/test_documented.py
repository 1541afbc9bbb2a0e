"""What is said of commands and pages is so, and the page shows the rules as they are."""

import re
from pathlib import Path

import pytest
import typer

from scaffold.cli import app
from scaffold.deciding import cures, rules
from scaffold.deciding.answers import Pain
from scaffold.deciding.questions import QUESTIONS

HERE = Path(__file__).parents[2]
TEMPLATE = HERE / "template"
PAGE = HERE / "docs/decide.md"
TOOLS = sorted(
    {tool.name for cure in (*cures.BEGIN.values(), *cures.CURES.values()) for tool in cure.tools}
)


@pytest.mark.parametrize("name", TOOLS)
def test_what_we_send_people_to_is_there(name):
    first, *rest = name.split()
    if first == "scaffold":
        assert rest[0] in typer.main.get_command(app).commands
    elif first == "make":
        assert re.search(rf"^{rest[0]}:", (TEMPLATE / "Makefile.jinja").read_text(), re.MULTILINE)
    elif first == "app":
        written = "".join(file.read_text() for file in (TEMPLATE / "src/app").rglob("*.py"))
        assert f'"Example: app {rest[0]}' in written
    else:
        path, _, anchor = name.partition("#")
        file = next(
            each for each in (TEMPLATE / path, TEMPLATE / f"{path}.jinja") if each.is_file()
        )
        heads = re.findall(r"^#+ (.*)", file.read_text(), re.MULTILINE)
        slugs = [re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads]
        assert not anchor or anchor in slugs


def test_every_pain_has_a_cure_and_every_answer_a_beginning():
    assert set(cures.CURES) == set(Pain)
    assert set(cures.BEGIN) == set(rules.Verdict)


def test_at_most_ten_questions_are_asked():
    assert len(QUESTIONS) <= 10


@pytest.mark.parametrize(
    "table", [rules.as_markdown(), cures.as_markdown()], ids=["rules", "cures"]
)
def test_the_page_shows_the_tables_as_they_are_in_the_code(table):
    assert table in PAGE.read_text(), f"put this into {PAGE}:\n{table}"


def test_the_page_names_every_question():
    for question in QUESTIONS:
        assert f"`{question.name}`" in PAGE.read_text()
