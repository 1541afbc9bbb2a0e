"""The tutorial, typed from its first command to its last."""

from pathlib import Path

import pytest
from pages import ROOT, steps
from stranger import Stranger

pytestmark = [pytest.mark.docs, pytest.mark.slow]


def test_a_stranger_gets_from_nothing_to_a_carved_service(tmp_path: Path, address: str) -> None:
    typed = list(steps(ROOT / "docs/tutorial.md"))
    assert typed[-1].command == "scaffold carve billing --because scaling"
    assert not [step.place for step in typed if step.mark == "not run"]
    with Stranger(tmp_path / "stranger", address) as stranger:
        for step in typed:
            stranger.do(step)
