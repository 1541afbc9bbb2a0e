"""What `observability/` and `docs/` say of alerts and dashboards agrees. `make alerts` tries the rules."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OBSERVABILITY = ROOT / "observability"
RULES = (OBSERVABILITY / "rules.yml").read_text("utf-8")
ALERTS = sorted(set(re.findall(r"^ +- alert: (\w+)$", RULES, re.MULTILINE)))


def test_the_dashboards_are_what_their_script_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, OBSERVABILITY / "dashboards.py", tmp_path], check=True)
    for written in tmp_path.iterdir():
        kept = OBSERVABILITY / "dashboards" / written.name
        is_current = kept.exists() and kept.read_bytes() == written.read_bytes()
        assert is_current, (
            f"{kept.relative_to(ROOT)} is stale: run `make dashboards`, and commit it"
        )


@pytest.mark.parametrize("alert", ALERTS)
def test_the_runbook_says_what_to_do_at_each_alert(alert: str) -> None:
    sections = re.findall(r"^##+ (\w+)$", (ROOT / "docs/runbook.md").read_text("utf-8"), re.M)
    assert alert in sections, f"write a section `## {alert}` in docs/runbook.md"
    assert f"/docs/runbook.md#{alert.lower()}" in RULES


def test_each_threshold_is_stated() -> None:
    """One that is missing is no number, and its alert would never fire."""
    stated = re.findall(r"record: (threshold:\w+)", (OBSERVABILITY / "team.yml").read_text("utf-8"))
    assert set(re.findall(r"threshold:\w+", RULES)) == set(stated)
