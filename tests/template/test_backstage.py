"""The page in Backstage asks what Copier asks, and takes what Copier takes."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from copier import run_copy
from generated import ROOT


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "template.yaml").read_text("utf-8"))["spec"]


@pytest.fixture(scope="module")
def fields(template: dict[str, Any]) -> dict[str, Any]:
    return {
        name: field for page in template["parameters"] for name, field in page["properties"].items()
    }


def values(template: dict[str, Any], given: dict[str, Any]) -> dict[str, str]:
    """What the step passes on for what somebody typed."""
    asked = template["steps"][0]["input"]["values"]
    passed = {}
    for name, value in asked.items():
        value = value.replace("${{ parameters.modules | join(', ') }}", ", ".join(given["modules"]))
        passed[name] = value.replace(f"${{{{ parameters.{name} }}}}", str(given.get(name)))
        assert "${{" not in passed[name]
    return passed


def test_every_question_is_answered(template: dict[str, Any], fields: dict[str, Any]) -> None:
    questions = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    asked = {
        name
        for name, question in questions.items()
        if not name.startswith("_") and "module is defined" not in str(question.get("when", ""))
    }
    asked -= {name for name in asked if questions[name].get("when") is False}
    asked -= {"services"}  # `scaffold carve` answers it.
    assert set(template["steps"][0]["input"]["values"]) == asked
    assert asked - {"catalog"} <= set(fields)


def test_its_choices_are_those_of_the_question(fields: dict[str, Any]) -> None:
    """But `none`: where there is no pipeline, Backstage has nothing to publish to."""
    questions = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    assert {*fields["ci"]["enum"], "none"} == set(questions["ci"]["choices"].values())
    assert fields["ci"]["default"] == questions["ci"]["default"]
    assert fields["deploy"]["enum"] == list(questions["deploy"]["choices"].values())
    assert f"'{fields['deploy']['default']}' }}}}" in questions["deploy"]["default"]


def test_what_somebody_types_there_makes_a_repository(
    template: dict[str, Any], fields: dict[str, Any], real_template: Path, tmp_path: Path
) -> None:
    given = {
        "project_name": "web-shop",
        "description": "Sells 100 % of what Ada's friends make.",
        "owner": "@acme/payments",
        "modules": ["catalog", "order_history"],
        "ci": fields["ci"]["default"],
        "deploy": fields["deploy"]["default"],
    }
    # No default may be needed: nobody sits at a terminal there.
    run_copy(str(real_template), tmp_path / "shop", values(template, given), quiet=True)
    assert (tmp_path / "shop/src/app/modules/order_history/module.toml").is_file()
    answers = yaml.safe_load((tmp_path / "shop/.copier-answers.yml").read_text("utf-8"))
    assert answers["_src_path"] == str(real_template)
    assert "name: web-shop" in (tmp_path / "shop/catalog-info.yaml").read_text("utf-8")
