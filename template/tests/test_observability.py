"""What `observability/` and `docs/` say of alerts agrees. `make alerts` tries the rules."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OBSERVABILITY = ROOT / "observability"
RULES = (OBSERVABILITY / "rules.yml").read_text("utf-8")
ALERTS = sorted(set(re.findall(r"^ +- alert: (\w+)$", RULES, re.MULTILINE)))


@pytest.mark.parametrize("alert", ALERTS)
def test_the_runbook_says_what_to_do_at_each_alert(alert: str) -> None:
    sections = re.findall(r"^##+ (\w+)$", (ROOT / "docs/runbook.md").read_text("utf-8"), re.M)
    assert alert in sections, f"write a section `## {alert}` in docs/runbook.md"
    assert f"/docs/runbook.md#{alert.lower()}" in RULES


def test_each_threshold_is_stated() -> None:
    """One that is missing is no number, and its alert would never fire."""
    stated = re.findall(r"record: (threshold:\w+)", (OBSERVABILITY / "team.yml").read_text("utf-8"))
    assert set(re.findall(r"threshold:\w+", RULES)) == set(stated)
