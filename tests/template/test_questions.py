"""What `copier copy` asks, and which answers it refuses."""

from pathlib import Path

import pytest
import yaml
from copier import run_copy
from generated import ROOT


def test_at_most_seven_questions_are_asked_and_each_explains_itself() -> None:
    questions = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    asked = {
        name: question
        for name, question in questions.items()
        if not name.startswith("_")
        and question.get("when") is not False
        and "services is defined" not in str(question.get("when"))  # `scaffold carve` answers it.
    }
    of_a_module = [
        name for name, each in asked.items() if each.get("when") == "{{ module is defined }}"
    ]
    assert len(asked) - len(of_a_module) <= 7
    assert len(of_a_module) <= 3
    assert all(question["help"] for question in asked.values())
    assert all("default" in question for question in asked.values())
    assert all("validator" in each or "choices" in each for each in asked.values())


def test_nothing_needs_trust() -> None:
    settings = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    assert not {"_tasks", "_migrations", "_jinja_extensions"} & set(settings)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"project_name": "Web Shop"}, "lower-case letters"),
        ({"project_name": "app"}, "called app already"),
        ({"project_name": "a" * 41}, "at most 40"),
        ({"description": 'say "hi"'}, "quotation marks"),
        ({"description": "two\nlines"}, "line breaks"),
        ({"description": " "}, "one sentence"),
        ({"owner": "acme"}, "@organisation/team"),
        ({"owner": "@acme/team\n* @evil"}, "@organisation/team"),
        ({"modules": "catalog"}, "Write a list"),
        ({"modules": "[1]"}, "must be text"),
        ({"modules": "[catalog, catalog]"}, "twice"),
        ({"modules": "[Catalog]"}, "lower-case"),
        ({"modules": "['../x']"}, "lower-case"),
        ({"modules": '["catalog\\n"]'}, "lower-case"),
        ({"modules": "[tax, t_ax]"}, "only by an underscore"),
        ({"modules": "[user]"}, "user"),
        ({"modules": "[pg_catalog]"}, "pg_"),
        ({"modules": "[testimonials]"}, "pytest"),
        ({"modules": "[none]"}, "none"),
        ({"project_name": "fastapi"}, "depend on itself"),
        ({"project_name": "pg-shop"}, "PostgreSQL"),
        ({"modules": "[class]"}, "class"),
        ({"modules": f"[{'a' * 31}]"}, "30"),
        ({"ci": "jenkins"}, "Invalid choice"),
        ({"deploy": "nomad"}, "Invalid choice"),
    ],
)
def test_a_wrong_answer_is_refused_and_nothing_is_written(
    real_template: Path, tmp_path: Path, answers: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        run_copy(str(real_template), tmp_path / "shop", answers, defaults=True, quiet=True)
    assert not (tmp_path / "shop").exists()
