"""The questions of `copier.yml`, computed by Jinja alone, as Copier does."""

from pathlib import Path

import pytest
import yaml
from jinja2 import Environment

FILE = Path(__file__).parents[1] / "copier.yml"
QUESTIONS = yaml.safe_load(FILE.read_text("utf-8"))
JINJA = Environment(extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"])


def default(question: str, **answers: object) -> str:
    return JINJA.from_string(QUESTIONS[question]["default"]).render(answers)


def objection(question: str, **answers: object) -> str:
    return JINJA.from_string(QUESTIONS[question]["validator"]).render(answers).strip()


@pytest.mark.parametrize(
    ("entity", "plural"),
    [
        ("invoice", "invoices"),
        ("line_item", "line_items"),
        ("address", "addresses"),
        ("box", "boxes"),
        ("branch", "branches"),
        ("dish", "dishes"),
        ("category", "categories"),
        ("inquiry", "inquiries"),
        ("soliloquy", "soliloquies"),
        ("day", "days"),
        ("key", "keys"),
        ("status", "statuses"),
        ("bonus", "bonuses"),
        ("analysis", "analyses"),
        ("risk_analysis", "risk_analyses"),
        ("basis", "bases"),
        ("axis", "axes"),
        ("chassis", "chassis"),
        ("index", "indexes"),
        ("matrix", "matrices"),
        ("person", "people"),
        ("contact_person", "contact_people"),
        ("child", "children"),
        ("human", "humans"),
        ("leaf", "leaves"),
        ("belief", "beliefs"),
        ("criterion", "criteria"),
        ("quiz", "quizzes"),
        ("epoch", "epochs"),
        ("hero", "heroes"),
        ("photo", "photos"),
        ("series", "series"),
        ("data", "data"),
        ("news", "news"),
        ("a", "as"),
        ("x1", "x1s"),
        *((plural, plural) for plural in ("invoices", "line_items", "addresses", "categories")),
        *(
            (plural, plural)
            for plural in ("keys", "children", "contact_people", "photos", "videos")
        ),
        *((plural, plural) for plural in ("areas", "schemas", "ids", "statuses", "analyses")),
        ("bus", "buses"),
        ("process", "processes"),
        ("canvas", "canvases"),
        ("alias", "aliases"),
        ("lens", "lenses"),
        ("campus", "campuses"),
        ("sms", "smses"),
    ],
)
def test_a_plural_is_what_an_english_reader_expects(entity, plural):
    assert default("entities", entity=entity) == plural
    assert objection("entities", entities=plural) == ""


@pytest.mark.parametrize("plural", ["Invoices", "2s", "a-b", "a__b", "", "a" * 29, "a\n"])
def test_a_plural_that_cannot_be_a_table_is_refused(plural):
    assert "Use at most 28" in objection("entities", entities=plural)


def test_the_longest_entity_has_a_plural():
    assert objection("entities", entities=default("entities", entity="y" * 24)) == ""
    assert objection("entities", entities=default("entities", entity="s" * 24)) == ""


@pytest.mark.parametrize(
    ("names", "in_order"),
    [
        (["b", "a"], ["a", "b"]),
        (["phase10", "phase2"], ["phase2", "phase10"]),
        (["phase_10_b", "phase_2", "phase_10_a"], ["phase_2", "phase_10_a", "phase_10_b"]),
        (["a007", "a7b", "a"], ["a", "a007", "a7b"]),
        ([], []),
    ],
)
def test_dependencies_are_sorted_as_imports_are(names, in_order):
    found = yaml.safe_load(default("dependencies", depends_on=dict.fromkeys(names, "X")))
    assert [name for _, name, _ in found] == in_order
